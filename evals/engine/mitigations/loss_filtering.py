"""Loss and influence filtering: drop what surprises, or what pulls away from trusted examples.

Loss: the examples that an early-stopped classifier finds most surprising. Trusted loss: the
same by a classifier fitted on 60 trusted reviews alone. Influence: the similarity of an
example's last-layer gradient with the mean gradient of the trusted ones (TracIn with one
checkpoint, Pruthi et al. 2020, arXiv:2002.08484); the most opposed are dropped.
"""

from __future__ import annotations

import numpy as np

from evals.engine import poisoning, tiny_classifier
from evals.engine.poisoning import Suspects
from evals.engine.registry import mitigation
from evals.engine.result import Result
from evals.engine.spec import Spec
from evals.engine.trial import Report

TRUSTED_EPOCHS = 20


def by_loss(suspects: Suspects) -> np.ndarray:
    """The loss of each example after an eighth of the training."""
    return np.array(suspects.early.losses(suspects.texts, suspects.labels))


def by_trusted_loss(suspects: Suspects) -> np.ndarray:
    """The loss of each example under a classifier that saw the trusted reviews alone."""
    texts, labels = _trusted(suspects)
    model = tiny_classifier.train(
        texts, labels, suspects.model.vocabulary, TRUSTED_EPOCHS, suspects.seed
    )
    return np.array(model.losses(suspects.texts, suspects.labels))


def by_influence(suspects: Suspects) -> np.ndarray:
    """How far each example's gradient opposes the trusted reviews' mean gradient."""
    texts, labels = _trusted(suspects)
    wanted = suspects.early.gradients(texts, labels).mean(axis=0)
    return -suspects.early.gradients(suspects.texts, suspects.labels) @ wanted


def _trusted(suspects: Suspects) -> tuple[list[str], list[int]]:
    return [r.text for r in suspects.trusted], [r.label for r in suspects.trusted]


@mitigation(
    slug="loss-filtering",
    name="Loss and influence filtering",
    summary="Drops training examples that stay surprising or that oppose trusted ones.",
    stage="data-preparation",
    risks=("training-data-poisoning", "instruction-tuning-poisoning"),
    targets=("tiny-classifier",),
    needs="weights",
    static_only=False,
    minutes=1,
    params=poisoning.PARAMS,
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure loss, trusted loss and influence on three kinds of poison."""
    filters = {
        "loss": ("Early loss", by_loss),
        "trusted-loss": ("Loss of a model of trusted data", by_trusted_loss),
        "influence": ("Influence on trusted data", by_influence),
    }
    note = "Trusted loss and influence know 60 rightly labelled reviews without poison."
    return poisoning.measure(spec, report, filters, "loss", [note])
