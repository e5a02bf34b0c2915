"""Calibrate "nothing here answers this" on the collection; cross-validated figures beside it.

``python -m bench.search.calibrate`` gathers the evidence of every query in every world,
fits a logistic regression for each model of ``kb/search/_answerable.py``, sets the threshold
where in no world more than one answerable query in twenty is doubted (out of fold), and writes
``kb/search/answerability.json``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import collection, world

FOLDS, REPEATS, SEED = 5, 20, 20261125
FALSE_ALARMS = 0.05
CALIBRATION = world.ROOT / "kb/search/answerability.json"


def path(texts: str) -> Path:
    """Where the evidence of a world is kept."""
    return world.ROOT / f"var/bench/evidence-{texts}.json"


def gather(texts: str) -> None:
    """Write {query id: evidence} of one world; queries that name a paper are left out."""
    world.enter(texts)
    from kb import search
    from kb.models import Paper

    found = {}
    for query in collection.queries():
        ranking = search.rank(query.text, Paper.objects.all())
        if ranking.evidence and not (ranking.hits and ranking.hits[0].exact):
            found[query.id] = dict(ranking.evidence.values)
    path(texts).write_text(json.dumps(found))


def fit(features: tuple[str, ...]) -> dict[str, Any]:
    """One model over all worlds; a query's rows stay in one fold."""
    from sklearn.linear_model import LogisticRegression

    x, y, groups, worlds = _rows(features)
    means, scales = x.mean(axis=0), x.std(axis=0)
    scaled = (x - means) / scales
    out_of_fold = _out_of_fold(scaled, y, groups)
    answerable = [out_of_fold[y & (worlds == texts)] for texts in sorted(set(worlds))]
    threshold = min(float(np.quantile(s, FALSE_ALARMS, method="lower")) for s in answerable)
    model = LogisticRegression(class_weight="balanced").fit(scaled, y)
    return {
        "features": list(features),
        "weights": _rounded(model.coef_[0]),
        "intercept": round(float(model.intercept_[0]), 5),
        "means": _rounded(means),
        "scales": _rounded(scales),
        "threshold": round(threshold, 5),
        "cross-validated": {
            str(texts): _figures(out_of_fold[worlds == texts], y[worlds == texts], threshold)
            for texts in sorted(set(worlds))
        },
    }


def _rows(features: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    kinds = {query.id: query.kind for query in collection.queries()}
    rows = [
        ([values[name] for name in features], kinds[name_] != "unanswerable", name_, texts)
        for texts in world.available()
        for name_, values in json.loads(path(texts).read_text()).items()
    ]
    x, y, groups, worlds = zip(*rows, strict=True)
    return np.array(x), np.array(y), np.array(groups), np.array(worlds)


def _out_of_fold(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Mean log odds of each row over repeats, by models that never saw its query."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    total = np.zeros(len(y))
    for repeat in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED + repeat)
        for train, test in folds.split(x, y, groups):
            model = LogisticRegression(class_weight="balanced").fit(x[train], y[train])
            total[test] += model.decision_function(x[test])
    return total / REPEATS


def _figures(scores: np.ndarray, y: np.ndarray, threshold: float) -> dict[str, Any]:
    """Unanswerable queries recognised and answerable ones doubted, with Wilson intervals."""
    recognised, doubted = scores[~y] < threshold, scores[y] < threshold
    return {"recognised": _wilson(recognised), "doubted": _wilson(doubted)}


def _wilson(hits: np.ndarray) -> dict[str, float | int]:
    from scipy.stats import binomtest

    test = binomtest(int(hits.sum()), len(hits))
    bounds = test.proportion_ci(method="wilson")
    value = {"value": hits.mean(), "low": bounds.low, "high": bounds.high}
    return {**{name: round(float(v), 4) for name, v in value.items()}, "n": len(hits)}


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 5) for value in values]


def main() -> None:
    """Gather in every world, each in a process of its own, then fit and store."""
    for texts in world.available():
        subprocess.run([sys.executable, "-m", "bench.search.calibrate", texts], check=True)
    store()


def store() -> None:
    """Fit the models on the evidence that was gathered, and write and print them."""
    fitted = {name: fit(features) for name, features in models().items()}
    calibration = {
        "made by": "python -m bench.search.calibrate",
        "queries digest": collection.digest(collection.QUERIES),
        "seed": SEED,
        "models": fitted,
    }
    CALIBRATION.write_text(json.dumps(calibration, indent=1) + "\n")
    for name, model in fitted.items():
        print(name, json.dumps(model["cross-validated"]))


def models() -> dict[str, tuple[str, ...]]:
    """The features of each model, read in a process that has Django set up."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    django.setup()
    from kb.search._answerable import MODELS

    return MODELS


if __name__ == "__main__":
    gather(sys.argv[1]) if len(sys.argv) > 1 else main()
