"""What an imported file gives: findings, and problems that name their row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.engine import statistics as stats

MOST_PROBLEMS = 200
MOST_FINDINGS = 500
SEED = 0


class NotReadable(ValueError):
    """A file that is none of the known kinds, or not whole; the message says why."""


@dataclass(frozen=True)
class Problem:
    """A row that was left out, and why."""

    where: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """One measured rate of another tool, with an interval computed here.

    ``group`` is its probe, task or plug-in, ``judge`` what decided, ``better`` lower, higher or
    unknown. ``said`` keeps what the tool itself reported.
    """

    group: str
    judge: str
    label: str
    model: str
    value: float
    low: float
    high: float
    n: int
    method: str
    better: str = ""
    said: dict[str, Any] = field(default_factory=dict)


@dataclass
class Parsed:
    """A file as it was understood."""

    tool: str
    version: str = ""
    measured_at: str = ""
    findings: list[Finding] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: int = 0

    def trouble(self, where: str, reason: str) -> None:
        """Note a row that cannot be used; beyond ``MOST_PROBLEMS`` they are only counted."""
        self.left_out += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(where[:80], reason[:300]))

    def add(self, finding: Finding) -> None:
        """Keep a finding, up to ``MOST_FINDINGS``."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
        else:
            self.trouble(f"{finding.group} {finding.judge}", f"more than {MOST_FINDINGS} findings")


def rate(values: Sequence[float], clusters: Sequence[Any]) -> tuple[stats.Interval, str]:
    """The mean of outcomes with its 95 % interval, and how that was made.

    Several outcomes of one prompt hang together: they are resampled as one cluster. Raises
    ValueError where there are none.
    """
    once = len(set(clusters)) == len(values)
    if once and set(values) <= {0.0, 1.0}:
        return stats.wilson(int(sum(values)), len(values)), "Wilson"
    found = stats.bootstrap(values, SEED, None if once else clusters)
    return found, "bootstrap" if once else "bootstrap by prompt"


class Outcomes:
    """Outcomes by what was measured, in the order in which they come."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], list[tuple[Any, float]]] = defaultdict(list)

    def add(self, key: tuple[str, ...], cluster: Any, value: float) -> None:
        """Enter one outcome."""
        self.rows[key].append((cluster, value))

    def rate(self, key: tuple[str, ...]) -> tuple[stats.Interval, str, int]:
        """(interval, method, n) of what was entered under a key."""
        rows = self.rows[key]
        interval, method = rate([value for _, value in rows], [cluster for cluster, _ in rows])
        return interval, method, len(rows)


def text(value: Any, most: int = 160) -> str:
    """A short text for readers, whatever the file holds."""
    found = value if isinstance(value, str) else "" if value is None else str(value)
    return found.replace("\0", "").strip()[:most]


def number(value: Any) -> float:
    """A finite number; raises ValueError at anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{text(value, 40)!r} is not a number")
    if value != value or abs(value) == float("inf"):
        raise ValueError(f"{value} is not a finite number")
    return float(value)
