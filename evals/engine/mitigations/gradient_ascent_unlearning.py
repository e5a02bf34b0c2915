"""Unlearning by gradient ascent: raise the loss on what is to be forgotten.

Jang et al. 2022 (arXiv:2210.01504) and Yao et al. 2023 (arXiv:2310.10683). Nothing holds on to
the rest, and the loss has no ceiling, so the number of steps is all that limits the damage.
"""

from __future__ import annotations

from evals.engine import unlearning
from evals.engine.params import Param
from evals.engine.registry import mitigation
from evals.engine.result import Arm, Result
from evals.engine.spec import Spec
from evals.engine.trial import Report
from evals.engine.tuning import ALL_LINEAR, Recipe
from evals.engine.unlearning import Method

METHOD = Method(
    arm=Arm("gradient-ascent", "Gradient ascent"),
    recipe=Recipe(steps=8, batch=8, rate=5e-4, rank=8, modules=ALL_LINEAR, max_tokens=96),
    examples=unlearning.ascend,
    objective=unlearning.plain,
)


@mitigation(
    slug="gradient-ascent-unlearning",
    name="Unlearning by gradient ascent",
    summary="Raises the loss on facts that are to be forgotten.",
    stage="post-training",
    risks=("training-data-memorization", "copyright-infringement", "hazardous-knowledge"),
    targets=("fact-base",),
    needs="weights",
    static_only=False,
    minutes=4,
    params=(
        unlearning.SEEDS,
        Param("steps", "int", 8, "steps of unlearning", low=1, high=60),
        Param("relearning_steps", "int", 6, "steps of the relearning attack", low=1, high=40),
    ),
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure what gradient ascent makes forget, and what it breaks."""
    return unlearning.measure(spec, report, METHOD)
