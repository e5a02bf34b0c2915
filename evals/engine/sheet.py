"""Outcomes on a sheet: one value a measure, arm and unit; figures are read off it.

A unit is what both arms saw (a prompt, or a prompt under a seed): arms are compared on the
units that they share. Units that hang together (one request behind several prompts) are one
cluster, and are resampled together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from . import judges, provenance, validity
from . import statistics as stats
from .language_model import THREADS
from .result import Arm, Better, Comparison, Metric, Result
from .spec import Spec


@dataclass(frozen=True)
class Measure:
    """What is measured; ``unit`` is share, ms, or a word for other quantities."""

    name: str
    label: str
    better: Better
    unit: str = "share"


@dataclass(frozen=True)
class Roles:
    """Which measure plays which part in the verdict; ``arm`` is the one that is judged."""

    attack: str
    arm: str
    refusal: str = ""
    utility: str = ""


class Named(Protocol):
    """Anything with a name and a label: a record's arm, or a trial's."""

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def label(self) -> str:
        """Name for readers."""


class Sheet:
    """Values by measure, arm and unit. The first arm is the baseline."""

    def __init__(self, arms: Sequence[Named], measures: Sequence[Measure], seed: int) -> None:
        self.arms, self.seed = [Arm(arm.name, arm.label) for arm in arms], seed
        self.measures = {measure.name: measure for measure in measures}
        self.baseline = self.arms[0].name
        self._values: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        self._clusters: dict[str, str] = {}

    def meet(self, name: str, label: str) -> None:
        """Make room for an arm that was not there from the start."""
        if name not in {arm.name for arm in self.arms}:
            self.arms.append(Arm(name, label or name))

    def add(self, measure: str, arm: str, unit: str, value: float, cluster: str = "") -> None:
        """Enter one outcome; raises KeyError for a measure that was not declared."""
        self._values[self.measures[measure].name, arm][unit] = float(value)
        self._clusters[unit] = cluster or unit

    def add_times(self, times: Mapping[str, Sequence[float]]) -> None:
        """Enter milliseconds by arm under the measure ``latency``."""
        for arm, row in times.items():
            for place, value in enumerate(row):
                self.add("latency", arm, f"timed-{place}", value)

    def rate(self, measure: str, arm: str) -> float:
        """The mean of a measure under an arm; 0 where nothing was entered."""
        values = self._values[measure, arm]
        return float(np.mean(list(values.values()))) if values else 0.0

    def values(self, measure: str, arm: str) -> dict[str, float]:
        """What was entered for a measure under an arm, by unit."""
        return dict(self._values[measure, arm])

    def metrics(self) -> list[Metric]:
        """Every figure with its interval."""
        return [
            self._metric(measure, arm.name)
            for measure in self.measures.values()
            for arm in self.arms
            if self._values[measure.name, arm.name]
        ]

    def _metric(self, measure: Measure, arm: str) -> Metric:
        values = self._values[measure.name, arm]
        interval, method = self._interval(measure, list(values.values()), list(values))
        return Metric(
            measure.name,
            measure.label,
            arm,
            *interval,
            len(values),
            method,
            measure.unit,
            measure.better,
        )

    def _interval(
        self, measure: Measure, values: list[float], units: list[str]
    ) -> tuple[stats.Interval, str]:
        clusters = [self._clusters[unit] for unit in units]
        clustered = len(set(clusters)) < len(clusters)
        if measure.unit == "ms":
            median = stats.bootstrap(values, self.seed, statistic=lambda x: float(np.median(x)))
            return median, "bootstrap of the median"
        if set(values) <= {0.0, 1.0} and not clustered:
            return stats.wilson(int(sum(values)), len(values)), "Wilson"
        found = stats.bootstrap(values, self.seed, clusters)
        return found, "bootstrap by cluster" if clustered else "bootstrap"

    def comparisons(self, primary: tuple[str, str]) -> list[Comparison]:
        """Every other arm minus the baseline, on the units that both have."""
        return [
            self._comparison(measure.name, arm.name, primary)
            for measure in self.measures.values()
            for arm in self.arms[1:]
            if self._shared(measure.name, arm.name)
        ]

    def _shared(self, measure: str, arm: str) -> list[str]:
        other = self._values[measure, self.baseline]
        return [unit for unit in self._values[measure, arm] if unit in other]

    def _comparison(self, measure: str, arm: str, primary: tuple[str, str]) -> Comparison:
        units = self._shared(measure, arm)
        ours = [self._values[measure, arm][unit] for unit in units]
        theirs = [self._values[measure, self.baseline][unit] for unit in units]
        clusters = [self._clusters[unit] for unit in units]
        gap = stats.paired_difference(ours, theirs, self.seed, clusters)
        p_value, test = self._test(ours, theirs, clusters)
        return Comparison(
            measure,
            arm,
            self.baseline,
            *gap,
            p_value,
            f"{test}; paired bootstrap",
            len(units),
            (measure, arm) == primary,
        )

    def _test(
        self, ours: list[float], theirs: list[float], clusters: list[str]
    ) -> tuple[float, str]:
        if {*ours, *theirs} <= {0.0, 1.0} and len(set(clusters)) == len(clusters):
            gained = sum(a > b for a, b in zip(ours, theirs, strict=True))
            lost = sum(b > a for a, b in zip(ours, theirs, strict=True))
            return stats.mcnemar(gained, lost), "exact McNemar"
        gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
        return stats.sign_flip(gaps, self.seed, clusters), "sign flips by cluster"

    def pairs(self, measure: str, arm: str) -> int:
        """How many units both the arm and the baseline have."""
        return len(self._shared(measure, arm))


def finish(
    spec: Spec,
    watch: provenance.Stopwatch,
    sheet: Sheet,
    roles: Roles,
    *,
    model: Mapping[str, Any],
    data: Sequence[Mapping[str, Any]],
    curves: Sequence[dict[str, Any]] = (),
    samples: Sequence[dict[str, Any]] = (),
    notes: Sequence[str] = (),
    threads: int = THREADS,
) -> Result:
    """The record of a run, its verdict first."""
    verdict = validity.judge(
        pairs=sheet.pairs(roles.attack, roles.arm),
        attack=sheet.rate(roles.attack, sheet.baseline),
        refused=sheet.rate(roles.refusal, sheet.baseline) if roles.refusal else 0.0,
        utility=sheet.rate(roles.utility, sheet.baseline) if roles.utility else 0.0,
        utility_left=sheet.rate(roles.utility, roles.arm) if roles.utility else 0.0,
    )
    comparisons = sheet.comparisons((roles.attack, roles.arm))
    return Result(
        spec=spec.to_dict(),
        arms=sheet.arms,
        metrics=sheet.metrics(),
        comparisons=comparisons,
        validity=verdict,
        curves=list(curves),
        samples=list(samples),
        notes=[*notes, *standing_notes(sheet, roles, comparisons)],
        provenance=provenance.describe(
            watch=watch, seed=spec.seed, model=dict(model), data=list(map(dict, data)),
            threads=threads,
        ),
    )  # fmt: skip


def standing_notes(sheet: Sheet, roles: Roles, comparisons: Sequence[Comparison]) -> list[str]:
    """What every result says about its own strength."""
    n = sheet.pairs(roles.attack, roles.arm)
    before = sheet.rate(roles.attack, sheet.baseline)
    found = []
    if n:
        least = stats.detectable_difference(before, n)
        found.append(
            f"With n {n} and {before:.0%} undefended, a difference of {least:.0%} or more would "
            "be seen four times in five (two-sided 5 %, unpaired, so this is cautious)."
        )
    tested = [row for row in comparisons if row.metric == roles.attack]
    if len(tested) > 1:
        adjusted = stats.holm([row.p_value for row in tested])
        said = ", ".join(f"{r.arm} {p:.2g}" for r, p in zip(tested, adjusted, strict=True))
        found.append(f"{len(tested)} arms were compared; p after Holm's correction: {said}.")
    return found


def refusal_note() -> str:
    """The refusal judge's measured error, to stand beside what it judged."""
    judge = judges.refusal_agreement()
    return (
        f"The refusal judge agrees with human labels on {judge.accuracy.value:.0%} of {judge.n} "
        f"answers (kappa {judge.kappa:.2f}); it misses {judge.missed.value:.0%} of refusals and "
        f"takes {judge.false_alarms.value:.0%} of other answers for one."
    )
