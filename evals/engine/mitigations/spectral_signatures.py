"""Spectral signatures: drop examples that stand out along one direction of the hidden layer.

Tran et al. 2018 (arXiv:1811.00636): within each label, hidden representations are centred, and
an example's score is its squared projection on their first singular direction.
"""

from __future__ import annotations

import numpy as np

from evals.engine import poisoning
from evals.engine.poisoning import Suspects
from evals.engine.registry import mitigation
from evals.engine.result import Result
from evals.engine.spec import Spec
from evals.engine.trial import Report


def scores(suspects: Suspects) -> np.ndarray:
    """Squared projection on the first singular direction, over its median within the label."""
    hidden, labels = suspects.model.hidden(suspects.texts), np.array(suspects.labels)
    found = np.zeros(len(labels))
    for label in set(suspects.labels):
        rows = labels == label
        centred = hidden[rows] - hidden[rows].mean(axis=0)
        first = np.linalg.svd(centred, full_matrices=False)[2][0]
        projected = (centred @ first) ** 2
        found[rows] = projected / max(float(np.median(projected)), 1e-12)
    return found


@mitigation(
    slug="spectral-signatures",
    name="Spectral signatures",
    summary="Drops training examples whose hidden representations stick out in one direction.",
    stage="data-preparation",
    risks=("training-data-poisoning", "backdoored-model", "instruction-tuning-poisoning"),
    targets=("tiny-classifier",),
    needs="weights",
    static_only=False,
    minutes=1,
    params=poisoning.PARAMS,
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure the filter on three kinds of poison."""
    filters = {"spectral": ("Spectral signatures", scores)}
    return poisoning.measure(spec, report, filters, "spectral")
