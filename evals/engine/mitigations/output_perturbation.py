"""Output perturbation against membership inference: give away less of the probabilities.

The victim has passed often over few sentences, so members are likelier than others. Its
interface gives the probability of every token of a text: whole, rounded, with fresh noise,
with noise that is the same whenever the same text is asked for, or only whether the token was
the likeliest. The attacker calls the likelier half members (Yeom et al. 2018,
arXiv:1709.01604). The adaptive one averages repeated answers, or counts the tokens that were
likeliest, which every interface gives away.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evals.engine import provenance, seeded, tiny
from evals.engine.datasets import describe, everyday
from evals.engine.params import Param
from evals.engine.registry import mitigation
from evals.engine.result import Result
from evals.engine.seeded import Seeded, Steps
from evals.engine.sheet import Measure, Roles, finish
from evals.engine.spec import Spec
from evals.engine.trial import Report

ARMS = seeded.arms(
    {
        "noisy": "Fresh noise",
        "sticky": "Noise fixed for each text",
        "rounded": "Rounded",
        "label": "Likeliest token alone",
    }
)
PRIMARY = "sticky"
LEAST = 1e-3
MEASURES = (
    Measure("attack-success", "Advantage of asking once (0 is chance)", "lower", "advantage"),
    Measure("attack-success-adaptive", "Advantage of averaging answers", "lower", "advantage"),
    Measure("attack-success-label", "Advantage of counting first guesses", "lower", "advantage"),
    Measure("utility", "Sentences told from garbled ones by likelihood", "higher"),
    Measure("false-alarms", "Others taken for members, asking once", "lower"),
    Measure("latency", "Answering one text (median)", "lower", unit="ms"),
)
Interface = Callable[[str, "Answers", np.random.Generator], np.ndarray]
"""The numbers that the interface gives for a text, one a token."""


class Answers:
    """What the model itself thinks of texts: probability of each token, and whether first."""

    def __init__(self, model: tiny.TinyModel, texts: Sequence[str]) -> None:
        scored = model.scored(texts)
        self.truth = {t: np.exp(-np.array(nll)) for t, (nll, _) in zip(texts, scored, strict=True)}
        scored = model.scored(texts)
        self.first = {t: np.array(hit, float) for t, (_, hit) in zip(texts, scored, strict=True)}


def interfaces(noise: float, digits: int) -> Mapping[str, Interface]:
    """What each arm gives away."""

    def noisy(text: str, own: Answers, rng: np.random.Generator) -> np.ndarray:
        found = own.truth[text]
        return np.clip(found + rng.laplace(0, noise, found.shape), 0, 1)

    def sticky(text: str, own: Answers, rng: np.random.Generator) -> np.ndarray:
        key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        return noisy(text, own, np.random.default_rng(key))

    return {
        "undefended": lambda text, own, rng: own.truth[text],
        "noisy": noisy,
        "sticky": sticky,
        "rounded": lambda text, own, rng: np.round(own.truth[text], digits),
        "label": lambda text, own, rng: own.first[text],
    }


def likelihood(given: np.ndarray) -> float:
    """The mean log of what the interface gave, nothing below ``LEAST``."""
    return float(np.log(np.maximum(given, LEAST)).mean())


@mitigation(
    slug="output-perturbation",
    name="Output perturbation",
    summary="Rounds, blurs or hides probabilities, so that they tell less about the training data.",
    stage="deployment",
    risks=("membership-inference",),
    targets=("tiny-transformer",),
    needs="logprobs",
    static_only=False,
    minutes=1,
    params=(
        Param("n", "int", 100, "members, and as many others, of a seed", low=20, high=400),
        Param("noise", "float", 0.3, "scale of the Laplace noise on a probability", high=2.0),
        Param("digits", "int", 1, "decimals of rounded probabilities", low=0, high=6),
        Param("repeats", "int", 50, "answers that the adaptive attacker averages", low=1, high=500),
        Param("steps", "int", 250, "training steps", low=10, high=2000),
        seeded.SEEDS,
    ),
)
def measure(spec: Spec, report: Report) -> Result:
    """Train an overfitted model, and tell its members through each interface."""
    watch, sheet = provenance.Stopwatch(), Seeded(ARMS, MEASURES, spec.seed)
    steps, samples = Steps(report, spec.params["seeds"]), []
    given = interfaces(spec.params["noise"], spec.params["digits"])
    for seed in seeded.seeds(spec):
        members = everyday.sentences(spec.params["n"], seed)
        others = [s for s in everyday.sentences(2 * len(members), seed, "test")
                  if s not in members][: len(members)]  # fmt: skip
        vocabulary = tiny.Vocabulary([*members, *others])
        model = tiny.train(members, vocabulary, tiny.Recipe(steps=spec.params["steps"]), seed)
        garbled = [
            _garbled(text, np.random.default_rng([seed, i])) for i, text in enumerate(others)
        ]
        own = Answers(model, [*members, *others, *garbled])
        for arm, interface in given.items():
            samples += _attack(sheet, arm, seed, interface, own, members, others, spec)
            _utility(sheet, arm, seed, interface, own, others, garbled)
        steps.tick("trained and attacked")
    for arm, interface in given.items():
        sheet.add_times({arm: seeded.milliseconds(_asker(model, interface), others)})
    return finish(
        spec,
        watch,
        sheet,
        Roles("attack-success", PRIMARY, utility="utility"),
        model=model.describe(),
        data=[describe("members", list(members))],
        samples=samples,
        threads=tiny.THREADS,
        notes=[
            sheet.by_seed("attack-success"),
            "Advantage is twice the share told rightly, less one: 0 is chance, 1 is certainty. "
            "Half of the texts are members, and the attacker knows that.",
            "The model is overfitted on purpose; larger corpora leave far less to infer.",
        ],
    )


def _asker(model: tiny.TinyModel, interface: Interface) -> Callable[[str], object]:
    rng = np.random.default_rng(0)
    return lambda text: interface(text, Answers(model, [text]), rng)


def _garbled(text: str, rng: np.random.Generator) -> str:
    """The text with two neighbouring words exchanged."""
    words = text.split()
    at = int(rng.integers(1, len(words) - 2))
    return " ".join([*words[:at], words[at + 1], words[at], *words[at + 2 :]])


def _attack(
    sheet: Seeded,
    arm: str,
    seed: int,
    interface: Interface,
    own: Answers,
    members: Sequence[str],
    others: Sequence[str],
    spec: Spec,
) -> list[dict[str, object]]:
    rng, texts = np.random.default_rng([seed, 101]), [*members, *others]
    repeats = spec.params["repeats"]
    once = [likelihood(interface(text, own, rng)) for text in texts]
    averaged = [
        likelihood(np.mean([interface(text, own, rng) for _ in range(repeats)], axis=0))
        for text in texts
    ]
    guesses = [float(own.first[text].mean()) for text in texts]
    won = told(once, rng)
    sheet.enter("attack-success", arm, seed, won)
    sheet.enter("false-alarms", arm, seed, [value < 0 for value in won[len(members) :]])
    sheet.enter("attack-success-adaptive", arm, seed, told(averaged, rng))
    sheet.enter("attack-success-label", arm, seed, told(guesses, np.random.default_rng(seed)))
    said = [f"mean log-probability {value:.3f}" for value in once]
    return seeded.samples("attack-success", arm, seed, texts, said, [v > 0 for v in won])


def told(scores: Sequence[float], rng: np.random.Generator) -> list[float]:
    """1 for each text rightly told, else -1, calling the higher half members, ties by lot.

    The first half of ``scores`` belongs to members.
    """
    half = len(scores) // 2
    order = np.lexsort((rng.random(len(scores)), np.array(scores)))
    called = np.zeros(len(scores), dtype=bool)
    called[order[half:]] = True
    truth = np.arange(len(scores)) < half
    return [1.0 if a == b else -1.0 for a, b in zip(called, truth, strict=True)]


def _utility(
    sheet: Seeded,
    arm: str,
    seed: int,
    interface: Interface,
    own: Answers,
    others: Sequence[str],
    garbled: Sequence[str],
) -> None:
    rng, found = np.random.default_rng([seed, 102]), []
    for right, wrong in zip(others, garbled, strict=True):
        gap = likelihood(interface(right, own, rng)) - likelihood(interface(wrong, own, rng))
        found.append(0.5 if math.isclose(gap, 0, abs_tol=1e-9) else float(gap > 0))
    sheet.enter("utility", arm, seed, found)
