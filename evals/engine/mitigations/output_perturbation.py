"""Output perturbation: tell less about each answer, so that less can be stolen through it.

Three ways: round probabilities to one digit, add noise that keeps the top label, tell the top
label alone. Two things are stolen: membership of the training data (Shokri et al. 2017,
arXiv:1610.05820: a threshold on the confidence, set on a service of the attacker's own) and
the model (Tramèr et al. 2016: a copy trained on the answers). The adaptive attacker needs
labels only: members keep theirs when words are dropped (Choquette-Choo et al. 2021,
arXiv:2007.14321).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from evals.engine import datasets, provenance, seed_notes, service
from evals.engine import statistics as stats
from evals.engine.params import Param
from evals.engine.registry import mitigation
from evals.engine.result import Arm, Progress, Result
from evals.engine.service import Classifier, Split, Text
from evals.engine.sheet import Measure, Roles, Sheet, finish
from evals.engine.spec import Spec
from evals.engine.trial import Report

ARMS = (
    Arm("undefended", "Full probabilities"),
    Arm("rounded", "One digit"),
    Arm("noise", "Noise, top label kept"),
    Arm("label-only", "Top label alone"),
)
PRIMARY = "label-only"
NOISE = 0.25
COPIES = 12  # versions with words dropped, for the attack by labels alone
DROPPED = 0.5
TIMED = 30
MEASURES = (
    Measure("attack-success", "Membership guessed right, by confidence", "lower"),
    Measure("attack-success-adaptive", "Membership guessed right, by labels of variants", "lower"),
    Measure("attack-success-copy", "A copy agrees with the service", "lower"),
    Measure("benign-refusal", "Top labels changed or withheld", "lower"),
    Measure("utility", "Paragraphs labelled right", "higher"),
    Measure("squared-error", "Error of the stated probabilities (Brier)", "lower", unit="points"),
    Measure("latency", "Time for one answer (median)", "lower", unit="ms"),
)
Answers = Callable[[Sequence[str]], np.ndarray]
"""Texts to what the service tells, of shape (texts, classes)."""


def perturb(answers: np.ndarray, arm: str, rng: np.random.Generator) -> np.ndarray:
    """What an arm tells of these probabilities; of the same shape, rows sum to about 1."""
    if arm == "rounded":
        return np.round(answers, 1)
    if arm == "label-only":
        return np.eye(answers.shape[1])[answers.argmax(axis=1)]
    if arm == "noise":
        noisy = np.clip(answers + rng.normal(0, NOISE, answers.shape), 1e-3, None)
        return _keep_top(noisy / noisy.sum(axis=1, keepdims=True), answers.argmax(axis=1))
    return answers


def _keep_top(noisy: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Swap each row's largest entry into the place of the true top label."""
    found, rows = noisy.copy(), np.arange(len(noisy))
    largest = noisy.argmax(axis=1)
    found[rows, top], found[rows, largest] = noisy[rows, largest], noisy[rows, top]
    return found


def served(model: Classifier, arm: str, seed: int) -> Answers:
    """The service as its users see it under an arm."""
    rng = np.random.default_rng([seed, 17])
    return lambda texts: perturb(model.predict(texts), arm, rng)


def confidence(ask: Answers, rows: Sequence[Text], rng: np.random.Generator) -> np.ndarray:
    """The attacker's score of each row: the probability told for its true label."""
    told = ask([row.text for row in rows])
    return told[np.arange(len(rows)), [row.label for row in rows]]


def sturdiness(ask: Answers, rows: Sequence[Text], rng: np.random.Generator) -> np.ndarray:
    """The share of variants with words dropped that still get the true label."""
    variants = [_dropped(row.text, rng) for row in rows for _ in range(COPIES)]
    labels = ask(variants).argmax(axis=1).reshape(len(rows), COPIES)
    return np.asarray((labels == np.array([[row.label] for row in rows])).mean(axis=1))


def _dropped(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    return " ".join(
        w for w, keep in zip(words, rng.random(len(words)) > DROPPED, strict=True) if keep
    )


ATTACKS = {"attack-success": confidence, "attack-success-adaptive": sturdiness}


@mitigation(
    slug="output-perturbation",
    name="Output perturbation and rounding",
    summary="Tells rounded or noisy probabilities, or the top label alone.",
    stage="deployment",
    risks=("membership-inference", "model-extraction"),
    targets=(service.TARGET.slug,),
    needs="logprobs",
    static_only=False,
    minutes=1,
    params=(
        Param("seeds", "int", 3, "services trained", low=3, high=10),
        Param("n", "int", 150, "members, and as many others, for each seed", low=30, high=200),
        Param("queries", "int", 400, "queries for a copy", low=20, high=500),
    ),
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure membership inference and copying under three perturbations."""
    watch = provenance.Stopwatch()
    sheet = Sheet(ARMS, MEASURES, spec.seed)
    rocs: dict[str, tuple[list[float], list[float]]] = {}
    for place in range(spec.params["seeds"]):
        report(Progress(place, spec.params["seeds"], "training and attacking a service"))
        _one(sheet, spec, spec.seed + place, rocs)
    return finish(
        spec,
        watch,
        sheet,
        Roles("attack-success", PRIMARY, "benign-refusal", "utility"),
        model={"name": "TF-IDF and softmax regression, trained in the run"},
        data=[datasets.describe("paragraphs", [row.text for row in service.split(spec.seed).test])],
        curves=[_curve(rocs)],
        notes=_notes(sheet, spec),
    )


def _one(
    sheet: Sheet, spec: Spec, seed: int, rocs: dict[str, tuple[list[float], list[float]]]
) -> None:
    """Train a service and the attacker's own, attack every arm, enter what came of it."""
    parts, n = service.split(seed), spec.params["n"]
    owner = service.trained(parts.private)
    half = len(parts.pool) // 2
    shadow = service.trained(parts.pool[:half])
    inside, outside = parts.private[:n], parts.test[:n]
    for arm in (arm.name for arm in ARMS):
        ask = served(owner, arm, seed)
        own = served(shadow, arm, seed)
        for name, score in ATTACKS.items():
            rng = np.random.default_rng([seed, 19])
            cut = best_cut(score(own, parts.pool[:half], rng), score(own, parts.pool[half:], rng))
            scores = score(ask, inside, rng), score(ask, outside, rng)
            _enter_guesses(sheet, name, arm, seed, scores, cut, (inside, outside))
            row = rocs.setdefault(
                f"{arm}, {name.removeprefix('attack-success')[1:] or 'confidence'}", ([], [])
            )
            row[0].extend(scores[0].tolist())
            row[1].extend(scores[1].tolist())
        _enter_service(sheet, arm, seed, owner, parts, ask, spec)


def best_cut(members: np.ndarray, others: np.ndarray) -> float:
    """The score from which on the attacker says "member": the best on its own service."""
    cuts = np.unique(np.concatenate([members, others]))
    gains = [(members >= cut).mean() - (others >= cut).mean() for cut in cuts]
    return float(cuts[int(np.argmax(gains))])


def _enter_guesses(
    sheet: Sheet,
    name: str,
    arm: str,
    seed: int,
    scores: tuple[np.ndarray, np.ndarray],
    cut: float,
    rows: tuple[Sequence[Text], Sequence[Text]],
) -> None:
    for inside, found, texts in zip((True, False), scores, rows, strict=True):
        for score, row in zip(found, texts, strict=True):
            right = bool(score >= cut) == inside
            sheet.add(name, arm, f"seed{seed}-{inside}-{row.id}", right, f"text-{row.id}")


def _enter_service(
    sheet: Sheet, arm: str, seed: int, owner: Classifier, parts: Split, ask: Answers, spec: Spec
) -> None:
    queries = parts.pool[: spec.params["queries"]]
    copy = service.copied(queries, ask([row.text for row in queries]))
    texts = [row.text for row in parts.test]
    inner, told, guessed = owner.predict(texts), ask(texts), copy.predict(texts)
    for i, row in enumerate(parts.test):
        unit, cluster = f"seed{seed}-{row.id}", f"text-{row.id}"
        top = told[i].argmax()
        truth = np.eye(told.shape[1])[row.label]
        sheet.add(
            "attack-success-copy", arm, unit, guessed[i].argmax() == inner[i].argmax(), cluster
        )
        sheet.add("benign-refusal", arm, unit, top != inner[i].argmax(), cluster)
        sheet.add("utility", arm, unit, top == row.label, cluster)
        sheet.add("squared-error", arm, unit, float(((told[i] - truth) ** 2).sum()), cluster)
    for i, text in enumerate(texts[:TIMED]):
        start = time.perf_counter()
        ask([text])
        sheet.add("latency", arm, f"seed{seed}-timed-{i}", 1000 * (time.perf_counter() - start))


def _curve(rocs: dict[str, tuple[list[float], list[float]]]) -> dict[str, object]:
    series = [
        {"label": name, "auc": stats.auc(inside, outside),
         "points": [list(point) for point in stats.roc(inside, outside)]}
        for name, (inside, outside) in rocs.items()
    ]  # fmt: skip
    return {
        "name": "roc",
        "title": "Members found against others taken for members",
        "x_label": "others taken for members",
        "y_label": "members found",
        "series": series,
    }


def _notes(sheet: Sheet, spec: Spec) -> list[str]:
    return [
        "Half of those asked about are members, so guessing is right half the time.",
        "The attacker sets its threshold on a service of its own, trained on other paragraphs "
        "and perturbed alike.",
        f"The attack by labels alone asks {COPIES} times for each paragraph, each time with "
        f"{DROPPED:.0%} of the words dropped.",
        seed_notes.by_seed(sheet, "attack-success"),
    ]
