"""Reports of garak (NVIDIA, Apache-2.0): JSON lines, of which attempts and evaluations count.

A detector's score at or above the report's threshold is a hit: the attack got what it wanted.
Where the attempts stand in the report, the rate is counted from them, prompt by prompt, and
the line that sums them up is held against that count.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from evals.engine import statistics as stats

from .parts import Finding, Outcomes, Parsed, number, text

THRESHOLD = 0.5
EVALUATED = 2  # the status of an attempt that detectors have seen


class _Reader:
    """One report, line by line."""

    def __init__(self) -> None:
        self.parsed = Parsed("garak")
        self.model, self.threshold = "", THRESHOLD
        self.outcomes = Outcomes()
        self.sums: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        self.known: dict[str, Callable[[str, dict[str, Any]], None]] = {
            "start_run setup": self._setup,
            "init": self._init,
            "attempt": self._attempt,
            "eval": self._eval,
        }

    def line(self, place: int, line: str) -> None:
        """Take one line in; what is wrong with it is noted."""
        where = f"line {place}"
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get("entry_type"), str):
                raise ValueError("no entry_type")
            self.known.get(row["entry_type"], _other)(where, row)
        except json.JSONDecodeError as error:
            self.parsed.trouble(where, f"no JSON: {error.msg}")
        except RecursionError:
            self.parsed.trouble(where, "nested too deeply")
        except ValueError as error:
            self.parsed.trouble(where, str(error))
        except KeyError as error:
            self.parsed.trouble(where, f"{error} is missing")
        except (TypeError, AttributeError):
            self.parsed.trouble(where, "a value is of another kind than garak writes")

    def _setup(self, where: str, row: dict[str, Any]) -> None:
        kinds = (row.get(f"plugins.{name}_type") for name in ("target", "model"))
        names = (row.get(f"plugins.{name}_name") for name in ("target", "model"))
        parts = (text(next(filter(None, found), "")) for found in (kinds, names))
        self.model = " ".join(part for part in parts if part)
        self.threshold = number(row.get("run.eval_threshold", THRESHOLD))
        self.parsed.version = self.parsed.version or text(row.get("_config.version"), 40)

    def _init(self, where: str, row: dict[str, Any]) -> None:
        self.parsed.version = text(row.get("garak_version"), 40) or self.parsed.version
        self.parsed.measured_at = text(row.get("start_time"), 40)

    def _attempt(self, where: str, row: dict[str, Any]) -> None:
        if row.get("status") != EVALUATED:
            return
        probe, cluster = _named(row, "probe_classname"), text(row.get("uuid")) or where
        for detector, scores in dict(row["detector_results"]).items():
            for score in scores:
                if score is not None:
                    hit = float(_score(score) >= self.threshold)
                    self.outcomes.add((probe, _short(detector)), cluster, hit)

    def _eval(self, where: str, row: dict[str, Any]) -> None:
        key = _named(row, "probe"), _short(_named(row, "detector"))
        total = row.get("total_evaluated", row.get("total"))
        passed = _count(row.get("passed"), "passed")
        if _count(total, "total") < passed or not total:
            raise ValueError(f"{passed} passed of {total} evaluated is no rate")
        self.sums[key] = where, {**row, "passed": passed, "total": total}

    def finish(self) -> Parsed:
        """Everything that the lines gave."""
        for key in dict.fromkeys([*self.outcomes.rows, *self.sums]):
            self.parsed.add(self._finding(*key))
        return self.parsed

    def _finding(self, probe: str, detector: str) -> Finding:
        key = (probe, detector)
        where, said = self.sums.get(key, ("", {}))
        if key in self.outcomes.rows:
            interval, method, n = self.outcomes.rate(key)
            self._check(where, key, said, round(interval.value * n), n)
        else:
            n = said["total"]
            interval, method = stats.wilson(n - said["passed"], n), "Wilson, of the summed line"
        kept = ("passed", "total", "confidence_lower", "confidence_upper", "confidence_method")
        return Finding(
            probe, detector, f"{probe} got through, by {detector}", self.model, *interval, n,
            method, "lower", {name: said[name] for name in kept if name in said},
        )  # fmt: skip

    def _check(
        self, where: str, key: tuple[str, str], said: dict[str, Any], hits: int, n: int
    ) -> None:
        """Note where the summed line is missing or says otherwise; the attempts count."""
        if not said:
            self.parsed.trouble(" ".join(key), "no eval line: counted from its attempts")
        elif (said["total"] - said["passed"], said["total"]) != (hits, n):
            told = f"{said['total'] - said['passed']} of {said['total']}"
            self.parsed.trouble(where, f"says {told} got through, its attempts {hits} of {n}")


def read(content: str) -> Parsed:
    """A report's findings and problems."""
    reader = _Reader()
    for place, line in enumerate(content.splitlines(), 1):
        if line.strip():
            reader.line(place, line)
    return reader.finish()


def _other(where: str, row: dict[str, Any]) -> None:
    """Lines of other kinds say nothing of rates."""


def _named(row: dict[str, Any], name: str) -> str:
    found = row.get(name)
    if not isinstance(found, str) or not found.strip():
        raise ValueError(f"no {name}")
    return text(found)


def _short(detector: str) -> str:
    return text(detector.removeprefix("detector."))


def _score(value: Any) -> float:
    found = number(float(value) if isinstance(value, bool) else value)
    if not 0 <= found <= 1:
        raise ValueError(f"a score of {found} is not between 0 and 1")
    return found


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is no count: {text(value, 40)!r}")
    return value
