"""Ten-fold: each paper is asked about by a model that learnt from the other nine tenths.

A hit at n: any of the paper's curated risks is among the first n suggested. Nothing that a
curator wrote about the placement (reason, role, file) is an input; the texts are the title and
our summary, the lists are the public ones that name the paper. The word statistics come from
all texts without labels, as they do in use.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from datetime import date
from typing import Any, TextIO

import numpy as np

from evals.engine.statistics import wilson
from kb.placing.features import Likeness, Papers, kernels, near_risks
from kb.placing.model import fit, predict

from .corpus import ROOT, Corpus, curated

RESULTS = ROOT / "bench/suggest/results.json"
FOLDS, SEED = 10, 7
FIRST = (1, 3, 5)


def measured() -> dict[str, Any]:
    """The figures of every way to know a paper, and of keyword rules alone."""
    corpus = curated()
    worlds = {
        "title, summary and lists": corpus.papers,
        "title and summary": without_lists(corpus.papers),
    }
    return {
        "measured_at": date.today().isoformat(),
        "papers": len(corpus.papers),
        "risks": len(corpus.slugs),
        "folds": FOLDS,
        "seed": SEED,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "keyword rules alone": _rules(corpus),
        "worlds": {name: _world(replace(corpus, papers=papers)) for name, papers in worlds.items()},
    }


def without_lists(papers: Papers) -> Papers:
    """The same papers, as if no public list named them."""
    return replace(papers, lists=[[] for _ in papers.lists])


def _world(corpus: Corpus) -> dict[str, Any]:
    risks, kinds = out_of_fold(corpus)
    order = np.argsort(-risks, axis=1)
    hit = np.take_along_axis(corpus.targets, order, 1)
    found = {f"risk top-{n}": _share(hit[:, :n].any(1)) for n in FIRST}
    of_kind = np.take_along_axis(corpus.kinds, kinds.argmax(1)[:, None], 1)[:, 0]
    found["kind"] = _share(of_kind)
    first = np.take_along_axis(risks, order[:, :1], 1)[:, 0]
    found["confidence of the first"] = _calibration(first, hit[:, 0])
    return found


def out_of_fold(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of risks and scores of kinds, each row by a model that never saw it."""
    likeness = Likeness(corpus.papers, corpus.risks)
    spaces = likeness.spaces(corpus.papers)
    found = kernels(spaces, spaces)
    near = near_risks(corpus.papers, corpus.risks, likeness)
    fold = np.random.default_rng(SEED).permutation(len(corpus.papers)) % FOLDS
    risks = np.zeros(corpus.targets.shape)
    kinds = np.zeros(corpus.kinds.shape)
    for part in range(FOLDS):
        known, asked = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        square = {name: one[np.ix_(known, known)] for name, one in found.items()}
        against = {name: one[np.ix_(asked, known)] for name, one in found.items()}
        theirs, new = [one[known] for one in near], [one[asked] for one in near]
        learnt = fit(square, theirs, corpus.targets[known], corpus.kinds[known])
        risks[asked], kinds[asked] = predict(learnt, against, new)
    return risks, kinds


def _rules(corpus: Corpus) -> dict[str, Any]:
    """One risk a paper at most, so top-1 and top-3 are the same; no proposal is a miss."""
    at = np.arange(len(corpus.papers))
    risk = (corpus.rule >= 0) & corpus.targets[at, corpus.rule]
    kind = (corpus.rule_kind >= 0) & corpus.kinds[at, corpus.rule_kind]
    return {
        "risk top-1": _share(risk),
        "risk proposed": _share(corpus.rule >= 0),
        "kind": _share(kind),
    }


def _share(hits: np.ndarray) -> dict[str, float]:
    found = wilson(int(hits.sum()), len(hits))
    return {"value": found.value, "low": found.low, "high": found.high, "n": len(hits)}


def _calibration(sure: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    """In fifths by confidence: what was said, and what was right."""
    parts = np.array_split(np.argsort(sure), 5)
    return [
        {"said": float(sure[p].mean()), "right": float(right[p].mean()), "n": len(p)} for p in parts
    ]


def show(results: dict[str, Any], out: TextIO) -> None:
    """Print the figures, one a line."""
    tables = {"keyword rules alone": results["keyword rules alone"], **results["worlds"]}
    for name, found in tables.items():
        out.write(f"{name}\n")
        for measure, share in found.items():
            if isinstance(share, dict):
                low, high = share["low"], share["high"]
                out.write(f"  {measure:14} {share['value']:.3f} [{low:.3f}, {high:.3f}]\n")
