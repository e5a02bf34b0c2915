"""Unlearning by gradient difference: ascend on what to forget, descend on what to keep.

Liu et al. 2022 (arXiv:2203.12817), as in TOFU (Maini et al. 2024, arXiv:2401.06121). As many
examples to keep as to forget; the kept facts that are reported were not among them.
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
    arm=Arm("gradient-difference", "Gradient difference"),
    recipe=Recipe(steps=20, batch=8, rate=5e-4, rank=8, modules=ALL_LINEAR, max_tokens=96),
    examples=unlearning.ascend_and_keep,
    objective=unlearning.plain,
)


@mitigation(
    slug="gradient-difference-unlearning",
    name="Unlearning by gradient difference",
    summary="Raises the loss on facts to be forgotten and lowers it on facts to be kept.",
    stage="post-training",
    risks=("training-data-memorization", "unlearning-utility-loss", "copyright-infringement"),
    targets=("fact-base",),
    needs="weights",
    static_only=False,
    minutes=4,
    params=(
        unlearning.SEEDS,
        Param("steps", "int", 20, "steps of unlearning", low=1, high=60),
        Param("relearning_steps", "int", 6, "steps of the relearning attack", low=1, high=40),
    ),
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure what gradient difference makes forget, and what it breaks."""
    return unlearning.measure(spec, report, METHOD)
