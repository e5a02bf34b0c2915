"""Unlearning by negative preference optimisation, with facts to keep beside it.

Zhang et al. 2024 (arXiv:2404.05868): the facts to forget are the losing side of a preference,
measured against the model before unlearning; the pull weakens as a fact fades.
"""

from __future__ import annotations

from dataclasses import replace

from evals.engine import unlearning
from evals.engine.params import Param
from evals.engine.registry import mitigation
from evals.engine.result import Arm, Result
from evals.engine.spec import Spec
from evals.engine.trial import Report
from evals.engine.tuning import ALL_LINEAR, Recipe
from evals.engine.unlearning import Method

BETA = 0.5
METHOD = Method(
    arm=Arm("npo", "Negative preference optimisation"),
    recipe=Recipe(steps=20, batch=8, rate=5e-4, rank=8, modules=ALL_LINEAR, max_tokens=96),
    examples=unlearning.ascend_and_keep,
    objective=unlearning.negative_preference(BETA),
)


@mitigation(
    slug="npo-unlearning",
    name="Unlearning by negative preference (NPO)",
    summary="Makes facts less likely than they were, ever more gently, and keeps others.",
    stage="post-training",
    risks=("unlearning-utility-loss", "incomplete-unlearning", "copyright-infringement"),
    targets=("fact-base",),
    needs="weights",
    static_only=False,
    minutes=4,
    params=(
        unlearning.SEEDS,
        Param("steps", "int", 20, "steps of unlearning", low=1, high=60),
        Param("relearning_steps", "int", 6, "steps of the relearning attack", low=1, high=40),
        Param("beta", "float", BETA, "how soon the pull weakens", low=0.05, high=5.0),
    ),
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure what NPO makes forget, and what it breaks."""
    objective = unlearning.negative_preference(spec.params["beta"])
    return unlearning.measure(spec, report, replace(METHOD, objective=objective))
