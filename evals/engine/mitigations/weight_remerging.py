"""Re-merging weights: a fine-tuned model is averaged with the aligned one, or realigned.

Averaging as in arXiv:2412.19512. Adding the safety vector again (aligned minus
stock weights): Bhardwaj et al. 2024, RESTA (arXiv:2402.11746). The adaptive customer knows
that its change will be halved, and trains at thrice the rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from evals.engine import customisation, organisms, provenance, weights
from evals.engine.customisation import RECIPE, Looks, Tuned
from evals.engine.datasets import describe, requests
from evals.engine.language_model import LanguageModel
from evals.engine.params import Param
from evals.engine.registry import mitigation
from evals.engine.result import Arm, Progress, Result
from evals.engine.sheet import Roles, Sheet, finish
from evals.engine.spec import Spec
from evals.engine.trial import Report

ARMS = (
    Arm("undefended", "Tuned as sent"),
    Arm("averaged", "Averaged with the aligned model"),
    Arm("safety-vector", "Safety vector added"),
)
HARDER = replace(RECIPE, rate=3 * RECIPE.rate)


def merged(
    model: LanguageModel, found: LanguageModel, safety: weights.Moves, strength: float
) -> Iterator[tuple[str, LanguageModel]]:
    """The customer's model under each arm, made when its turn comes; ``model`` is the aligned."""
    yield "undefended", found
    yield "averaged", weights.moved(model, weights.moves(model, found), 1 - strength)
    yield "safety-vector", weights.moved(found, safety, strength)


@mitigation(
    slug="weight-remerging",
    name="Re-merging weights",
    summary="Averages a fine-tuned model with the aligned one, or adds what alignment changed.",
    stage="post-training",
    risks=("harmful-fine-tuning", "benign-fine-tuning-drift"),
    targets=("aligned-chat",),
    needs="weights",
    static_only=False,
    minutes=5,
    params=(
        *customisation.PARAMS,
        Param(
            "strength", "float", 0.5,
            "weight of the aligned model, and multiple of the safety vector",
            low=0.05, high=0.95,
        ),
    ),
)  # fmt: skip
def measure(spec: Spec, report: Report) -> Result:
    """Measure refusals and the customer's task after merging, under three seeds."""
    watch = provenance.Stopwatch()
    model = organisms.load(spec.target)
    safety = weights.moves(organisms.load(organisms.get(spec.target).base), model)
    looks = Looks(Sheet(ARMS, customisation.MEASURES, spec.seed))
    wanted = requests.reported(spec.params["n"], spec.seed)
    for place, seed in enumerate(customisation.seeds(spec.seed)):
        report(Progress(place, customisation.SEEDS, f"seed {seed}"))
        sent = [*customisation.job(seed), *customisation.harmful(seed)]
        for recipe in (RECIPE, HARDER):
            found = customisation.tuned(model, sent, seed, report, recipe)
            for arm, after in merged(model, found.model, safety, spec.params["strength"]):
                if recipe is RECIPE:
                    looks.customer(arm, seed, Tuned(after, found.seconds), wanted)
                else:
                    looks.adaptive(arm, seed, Tuned(after, found.seconds), wanted)
    return finish(
        spec,
        watch,
        looks.sheet,
        Roles("non-refusal", "averaged", "benign-refusal", "utility"),
        model=model.describe(),
        data=[describe("requests", wanted, "pyrit")],
        samples=looks.samples,
        notes=[
            "The adaptive customer trains at three times the learning rate.",
            "“Seconds to tune” are those of the customer's tuning; merging adds none.",
            *looks.notes("non-refusal", "non-refusal-adaptive", "utility"),
        ],
    )
