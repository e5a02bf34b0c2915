"""Activation clustering: split each label's hidden representations in two, drop the small part.

Chen et al. 2018 (arXiv:1811.03728): independent components, then k-means with two clusters.
The smaller cluster of a label is suspect; the better it is set apart (silhouette) and the
closer an example is to its centre, the earlier it is dropped.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from evals.engine import poisoning
from evals.engine.poisoning import Suspects
from evals.engine.registry import mitigation
from evals.engine.result import Result
from evals.engine.spec import Spec
from evals.engine.trial import Report

COMPONENTS = 6


def scores(suspects: Suspects) -> np.ndarray:
    """How clearly an example sits in the small cluster of its label; NaN in the large one."""
    hidden, labels = suspects.model.hidden(suspects.texts), np.array(suspects.labels)
    found = np.full(len(labels), np.nan)
    for label in set(suspects.labels):
        rows = np.flatnonzero(labels == label)
        found[rows] = _within(_reduced(hidden[rows], suspects.seed), suspects.seed)
    return found


def _reduced(hidden: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import FastICA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ica = FastICA(COMPONENTS, random_state=seed, whiten="unit-variance", max_iter=400)
        return ica.fit_transform(hidden)


def _within(points: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    fitted: Any = KMeans(2, n_init=5, random_state=seed).fit(points)
    small = int(np.bincount(fitted.labels_, minlength=2).argmin())
    found = np.full(len(points), np.nan)
    inside = fitted.labels_ == small
    apart = silhouette_score(points, fitted.labels_)
    distance = np.linalg.norm(points[inside] - fitted.cluster_centers_[small], axis=1)
    found[inside] = apart + 1 / (1 + distance)
    return found


@mitigation(
    slug="activation-clustering",
    name="Activation clustering",
    summary="Splits each label's hidden representations in two and drops the small cluster.",
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
    filters = {"clustering": ("Activation clustering", scores)}
    return poisoning.measure(spec, report, filters, "clustering")
