"""Training-time experiments: the same thing done under several seeds, entered on one sheet.

A unit is a thing under a seed, so arms are compared where they share data, order and first
weights. Things under one seed also share a model: the values of each seed are noted, so that
a reader sees how far seeds differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .params import Param
from .result import Progress
from .sheet import Measure, Sheet
from .spec import Spec
from .trial import Arm, Report, undefended

SECONDS = Measure("training-seconds", "Training, preparation included", "lower", unit="s")
UTILITY = Measure("utility", "Held-out words that were the model's first guess", "higher")
SEEDS = Param("seeds", "int", 3, "seeds: data, first weights and order are new", low=3, high=10)


def arms(labels: Mapping[str, str]) -> list[Arm]:
    """Arms that only have a name and a label, the undefended one first."""
    return [Arm("undefended", "No mitigation", undefended)] + [
        Arm(name, label, undefended) for name, label in labels.items()
    ]


def seeds(spec: Spec) -> list[int]:
    """The seeds of a run; runs of different specifications' seeds share none."""
    return [1000 * spec.seed + k for k in range(spec.params["seeds"])]


class Seeded(Sheet):
    """A sheet whose units belong to seeds."""

    last_seconds = 0.0

    def enter(
        self, measure: str, arm: str, seed: int, values: Sequence[float], group: str = ""
    ) -> None:
        """Enter one value a thing; ``group`` tells apart things entered in several goes."""
        for i, value in enumerate(values):
            self.add(measure, arm, f"seed{seed}-{measure}-{group}-{i}", value)

    @contextmanager
    def clocked(self, arm: str, seed: int, group: str = "") -> Iterator[None]:
        """Enter how long the body takes, in seconds."""
        start = time.perf_counter()
        yield
        self.last_seconds = time.perf_counter() - start
        self.enter(SECONDS.name, arm, seed, [self.last_seconds], group)

    def by_seed(self, measure: str) -> str:
        """A note: the mean of each seed, arm by arm."""
        said = []
        for arm in self.arms:
            found: dict[str, list[float]] = {}
            for unit, value in self._values[measure, arm.name].items():
                found.setdefault(unit.split("-")[0], []).append(value)
            means = " / ".join(f"{np.mean(row):.2f}" for row in found.values())
            if means:
                said.append(f"{arm.name} {means}")
        return f"{self.measures[measure].label}, seed by seed: {'; '.join(said)}."


class Steps:
    """Counts models trained, and tells."""

    def __init__(self, report: Report, total: int) -> None:
        self.report, self.total, self.done = report, total, 0
        report(Progress(0, total, "preparing"))

    def tick(self, said: str) -> None:
        """One more is done."""
        self.done += 1
        self.report(Progress(min(self.done, self.total), self.total, said))


def milliseconds(work: Callable[[Any], Any], items: Sequence[Any], n: int = 40) -> list[float]:
    """How long ``work`` takes on each of the first ``n`` items, after one to warm up."""
    found = []
    for item in [*items[:1], *items[:n]]:
        start = time.perf_counter()
        work(item)
        found.append(1000 * (time.perf_counter() - start))
    return found[1:]


def samples(
    group: str,
    arm: str,
    seed: int,
    asked: Sequence[str],
    said: Sequence[str],
    won: Sequence[bool],
) -> list[dict[str, Any]]:
    """Rows for the record: what was asked, what the model said, whether the attack won."""
    return [
        {"id": f"{group}-{seed}-{i}-{arm}", "group": group, "arm": arm, "prompt": prompt,
         "output": text, "stopped": {}, "scores": {group: float(hit)}}
        for i, (prompt, text, hit) in enumerate(zip(asked, said, won, strict=True))
    ]  # fmt: skip
