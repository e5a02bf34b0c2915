"""Safety-subspace restoration: what a fine-tuning moved out of the safety subspace is put back.

Safe LoRA (Hsu et al. 2024, arXiv:2405.16833): the columns of aligned minus stock weights span
a subspace for each matrix; a customer's change is projected onto it, in the matrices where
the projection changes it most, or in all. The adaptive customer knows both models (their
weights are open) and sends a change that lies in the subspace already: it points from the
aligned model straight back to the stock one.
"""

from __future__ import annotations

from typing import Any

from evals.engine import customisation, organisms, provenance, weights
from evals.engine.customisation import Looks, Tuned
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
    Arm("half", "Projected where it matters most (half the matrices)"),
    Arm("all", "Projected in every matrix"),
)
SHARE = {"half": 0.5, "all": 1.0}


def bases(safety: weights.Moves, rank: int) -> dict[str, Any]:
    """For each matrix, an orthonormal basis of its safety subspace."""
    return {name: weights.columns(move, rank) for name, move in safety.items()}


def restored(change: weights.Moves, subspace: dict[str, Any], share: float) -> dict[str, Any]:
    """The change, projected in that share of the matrices where projecting alters it most."""
    inside = {
        name: weights.projected(move, subspace[name])
        for name, move in change.items()
        if name in subspace
    }
    order = sorted(inside, key=lambda name: weights.likeness(change[name], inside[name]))
    chosen = order[: round(share * len(order))]
    return {**change, **{name: inside[name] for name in chosen}}


@mitigation(
    slug="safety-subspace-restoration",
    name="Safety-subspace restoration",
    summary="Projects a fine-tuning's change back onto the subspace that alignment moved in.",
    stage="post-training",
    risks=("harmful-fine-tuning", "benign-fine-tuning-drift"),
    targets=("aligned-chat",),
    needs="weights",
    static_only=False,
    minutes=5,
    params=(
        *customisation.PARAMS,
        Param("rank", "int", 8, "dimensions of each matrix's safety subspace", low=1, high=64),
    ),
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure refusals and the customer's task after projection, under three seeds."""
    watch = provenance.Stopwatch()
    model = organisms.load(spec.target)
    stock = organisms.load(organisms.get(spec.target).base)
    report(Progress(0, 0, "finding the safety subspace"))
    safety = weights.moves(stock, model)
    subspace = bases(safety, spec.params["rank"])
    looks = Looks(Sheet(ARMS, customisation.MEASURES, spec.seed))
    wanted = requests.reported(spec.params["n"], spec.seed)
    for place, seed in enumerate(customisation.seeds(spec.seed)):
        report(Progress(place, customisation.SEEDS, f"seed {seed}"))
        sent = [*customisation.job(seed), *customisation.harmful(seed)]
        found = customisation.tuned(model, sent, seed, report)
        change = weights.moves(model, found.model)
        for arm in ARMS:
            after = _after(model, change, subspace, SHARE.get(arm.name, 0.0), found)
            looks.customer(arm.name, seed, after, wanted)
    _adaptive(looks, model, safety, subspace, spec, wanted)
    return finish(
        spec,
        watch,
        looks.sheet,
        Roles("non-refusal", "all", "benign-refusal", "utility"),
        model=model.describe(),
        data=[describe("requests", wanted, "pyrit")],
        samples=looks.samples,
        notes=[
            "The adaptive customer trains nothing: its change is stock minus aligned weights, "
            "which lies in the safety subspace, so that it is measured once, not by seed.",
            "“Seconds to tune” are those of the customer's tuning; the projection adds none.",
            *looks.notes("non-refusal", "utility"),
        ],
    )


def _after(
    model: LanguageModel,
    change: weights.Moves,
    subspace: dict[str, Any],
    share: float,
    found: Tuned,
) -> Tuned:
    return Tuned(weights.moved(model, restored(change, subspace, share)), found.seconds)


def _adaptive(
    looks: Looks,
    model: LanguageModel,
    safety: weights.Moves,
    subspace: dict[str, Any],
    spec: Spec,
    wanted: list[str],
) -> None:
    back = {name: -move for name, move in safety.items()}
    for arm in ARMS:
        after = _after(model, back, subspace, SHARE.get(arm.name, 0.0), Tuned(model, 0.0))
        looks.adaptive(arm.name, spec.seed, after, wanted)
