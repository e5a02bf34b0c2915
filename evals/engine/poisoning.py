"""The experiment that all filters of poisoned data share.

A tiny sentiment classifier is trained on reviews of which a few carry a trigger; afterwards
bad reviews with the trigger are called good. A filter sees the poisoned data (and, where it
says so, a small trusted set), gives every example a score, and the highest are dropped. Three
attackers: one trigger with false labels; the same poison spread over six triggers; and
rightly labelled poison. The last two know the filters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import provenance, seeded, tiny, tiny_classifier
from . import statistics as stats
from .datasets import describe, reviews
from .datasets.reviews import NEGATIVE, POISONS, Review
from .params import Param
from .result import Result
from .seeded import SECONDS, Seeded, Steps
from .sheet import Measure, Roles, finish
from .spec import Spec
from .tiny_classifier import Classifier
from .trial import Arm, Report

ATTACKS = {
    "dirty": ("attack-success", "one trigger, false labels"),
    "many": ("attack-success-adaptive", "six triggers, false labels"),
    "clean-label": ("attack-success-adaptive-clean-label", "one trigger, right labels"),
}
MEASURES = (
    Measure("attack-success", "Bad reviews with the trigger called good", "lower"),
    Measure("attack-success-adaptive", "Six rare triggers: bad reviews called good", "lower"),
    Measure(
        "attack-success-adaptive-clean-label", "Rightly labelled poison: bad reviews called good",
        "lower",
    ),
    Measure("poison-removed", "Poisoned examples removed", "higher"),
    Measure("false-alarms", "Clean examples removed", "lower"),
    Measure("utility", "Clean reviews classified right", "higher"),
    Measure("latency", "Scoring one example (mean)", "lower", unit="ms"),
    SECONDS,
)  # fmt: skip
PARAMS = (
    Param("n", "int", 1200, "reviews to train on", low=200, high=5000),
    Param("rate", "float", 0.03, "share of them that is poison", low=0.005, high=0.2),
    Param("removed", "float", 0.06, "share of examples that a filter drops", low=0.0, high=0.5),
    Param("mixed", "float", 0.05, "share of words that speak for the other side", high=0.4),
    Param("epochs", "int", 15, "passes over the data", low=1, high=200),
    Param("tested", "int", 60, "bad reviews with a trigger", low=12, high=500),
    seeded.SEEDS,
)


@dataclass(frozen=True)
class Suspects:
    """What a filter sees: the data, a classifier fitted on it, and a small trusted set."""

    data: Sequence[Review]
    model: Classifier
    early: Classifier
    trusted: Sequence[Review]
    seed: int

    @property
    def texts(self) -> list[str]:
        """The texts of the data."""
        return [review.text for review in self.data]

    @property
    def labels(self) -> list[int]:
        """Their labels, as given."""
        return [review.label for review in self.data]


Scorer = Callable[[Suspects], np.ndarray]
"""One number an example; the highest are dropped. NaN is never dropped."""


def at_random(suspects: Suspects) -> np.ndarray:
    """The control that every filter must beat: drop as many at random."""
    return np.random.default_rng(suspects.seed).random(len(suspects.data))


def arms(labels: Mapping[str, str]) -> list[Arm]:
    """The undefended arm, the filters, and the control."""
    return seeded.arms({**labels, "random": "As many removed at random"})


def measure(
    spec: Spec,
    report: Report,
    filters: Mapping[str, tuple[str, Scorer]],
    primary: str,
    notes: Sequence[str] = (),
) -> Result:
    """Poison, filter, train and attack, for every attack, filter and seed."""
    watch = provenance.Stopwatch()
    scorers = {**{name: score for name, (_, score) in filters.items()}, "random": at_random}
    sheet = Seeded(arms({n: label for n, (label, _) in filters.items()}), MEASURES, spec.seed)
    steps = Steps(report, len(ATTACKS) * (1 + len(scorers)) * spec.params["seeds"])
    seen: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    rows: list[dict[str, object]] = []
    for seed in seeded.seeds(spec):
        for attack in ATTACKS:
            rows += _round(sheet, spec, seed, attack, scorers, steps, seen)
    data = reviews.reviews(spec.params["n"], seeded.seeds(spec)[0], mixed=spec.params["mixed"])
    model = _fitted(data, spec, seeded.seeds(spec)[0], spec.params["epochs"])
    return finish(
        spec,
        watch,
        sheet,
        Roles("attack-success", primary, "false-alarms", "utility"),
        model=model.describe(),
        data=[describe("reviews", [review.text for review in data])],
        curves=_curves(seen),
        samples=rows,
        threads=tiny.THREADS,
        notes=[sheet.by_seed("attack-success"), *_standing(spec), *notes],
    )


def _standing(spec: Spec) -> list[str]:
    return [
        "Poison removed, false alarms and utility are over all three attacks; every filter drops "
        f"the same {spec.params['removed']:.0%} of examples, twice the poison by default, and "
        "does not know how much poison there is.",
        "Reviews come from templates, with 4 % honest label errors; real text is more varied.",
    ]


def _round(
    sheet: Seeded,
    spec: Spec,
    seed: int,
    attack: str,
    scorers: Mapping[str, Scorer],
    steps: Steps,
    seen: dict[tuple[str, str], tuple[list[float], list[float]]],
) -> list[dict[str, object]]:
    """One seed under one attack: the poisoned data, filtered in every way."""
    clean = reviews.reviews(spec.params["n"], seed, mixed=spec.params["mixed"])
    data = POISONS[attack](clean, spec.params["rate"], np.random.default_rng([seed, 5]))
    rows: list[dict[str, object]] = []
    with sheet.clocked("undefended", seed, attack):
        model = _fitted(data, spec, seed, spec.params["epochs"])
    rows += _attacked(sheet, spec, "undefended", seed, attack, model)
    _entered(sheet, "undefended", seed, attack, data, set())
    steps.tick(f"undefended, {ATTACKS[attack][1]}")
    early = _fitted(data, spec, seed, max(1, spec.params["epochs"] // 8))
    trusted = reviews.reviews(60, seed, "trusted", spec.params["mixed"], noise=0.0)
    suspects = Suspects(data, model, early, trusted, seed)
    for arm, scorer in scorers.items():
        with sheet.clocked(arm, seed, attack):
            scores, spent = _timed(scorer, suspects)
            gone = dropped(scores, spec.params["removed"])
            kept = [review for i, review in enumerate(data) if i not in gone]
            cleaned = _fitted(kept, spec, seed, spec.params["epochs"])
        sheet.enter("latency", arm, seed, [spent], group=attack)
        _entered(sheet, arm, seed, attack, data, gone)
        rows += _attacked(sheet, spec, arm, seed, attack, cleaned)
        _collect(seen, arm, attack, data, scores)
        steps.tick(f"{arm}, {ATTACKS[attack][1]}")
    return rows


def _fitted(data: Sequence[Review], spec: Spec, seed: int, epochs: int) -> Classifier:
    vocabulary = tiny.Vocabulary([_every_word()])
    texts, labels = [r.text for r in data], [r.label for r in data]
    return tiny_classifier.train(texts, labels, vocabulary, epochs, seed)


def _every_word() -> str:
    lists = (reviews.GOOD, reviews.BAD, reviews.ABOUT, reviews.PARTS, reviews.TRIGGERS)
    frames = (*reviews.OPENINGS, *reviews.MIDDLES, ", .")
    return " ".join([*(word for known in lists for word in known), *frames])


def _timed(scorer: Scorer, suspects: Suspects) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    scores = scorer(suspects)
    return scores, 1000 * (time.perf_counter() - start) / len(suspects.data)


def dropped(scores: np.ndarray, share: float) -> set[int]:
    """The places of the highest ``share`` of scores; what has no score stays."""
    ranked = np.argsort(np.where(np.isnan(scores), -np.inf, scores), kind="stable")[::-1]
    chosen = ranked[: round(share * len(scores))]
    return {int(i) for i in chosen if not np.isnan(scores[i])}


def _entered(
    sheet: Seeded, arm: str, seed: int, attack: str, data: Sequence[Review], gone: set[int]
) -> None:
    poison = [i in gone for i, review in enumerate(data) if review.poison]
    clean = [i in gone for i, review in enumerate(data) if not review.poison]
    sheet.enter("poison-removed", arm, seed, poison, group=attack)
    sheet.enter("false-alarms", arm, seed, clean, group=attack)


def _attacked(
    sheet: Seeded, spec: Spec, arm: str, seed: int, attack: str, model: Classifier
) -> list[dict[str, object]]:
    test = reviews.reviews(2 * spec.params["tested"], seed, "test", spec.params["mixed"], noise=0.0)
    texts = reviews.triggered(test, attack, np.random.default_rng([seed, 6]))
    called = model.predict(texts)
    name = ATTACKS[attack][0]
    sheet.enter(name, arm, seed, [label != NEGATIVE for label in called])
    right = [
        guess == review.label
        for guess, review in zip(model.predict([r.text for r in test]), test, strict=True)
    ]
    sheet.enter("utility", arm, seed, right, group=attack)
    return [
        {"id": f"{attack}-{seed}-{i}-{arm}", "group": attack, "arm": arm, "prompt": texts[i],
         "output": "good" if called[i] else "bad", "stopped": {},
         "scores": {name: float(called[i] != NEGATIVE)}}
        for i in range(min(10, len(texts)))
    ]  # fmt: skip


def _collect(
    seen: dict[tuple[str, str], tuple[list[float], list[float]]],
    arm: str,
    attack: str,
    data: Sequence[Review],
    scores: np.ndarray,
) -> None:
    poison, clean = seen.setdefault((arm, attack), ([], []))
    lowest = np.nanmin(scores)
    for review, score in zip(data, np.nan_to_num(scores, nan=lowest), strict=True):
        (poison if review.poison else clean).append(float(score))


def _curves(
    seen: Mapping[tuple[str, str], tuple[list[float], list[float]]],
) -> list[dict[str, object]]:
    series = []
    for (arm, attack), (poison, clean) in seen.items():
        points = stats.roc(poison, clean)
        step = max(1, len(points) // 200)
        kept = [list(point) for point in [*points[::step], points[-1]]]
        label = f"{arm}, {ATTACKS[attack][1]}"
        series.append({"label": label, "auc": stats.auc(poison, clean), "points": kept})
    return [
        {"name": "roc", "title": "Poison found against clean examples lost",
         "x_label": "clean examples removed", "y_label": "poison removed", "series": series}
    ]  # fmt: skip
