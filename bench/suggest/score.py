"""Ten-fold: each paper is asked about by a model that learnt from the other nine tenths.

A hit at n: any of the paper's curated risks is among the first n suggested. Nothing that a
curator wrote about the placement (reason, role, file) is an input. It learns from title, plain
words, summary and the public lists that name a paper, and is asked with all of that or with
less: a paper that waits has no summary yet, but most have plain words. Word statistics come
from all texts without labels, as they do in use.
"""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from evals.engine.statistics import wilson
from kb.placing.features import Likeness, Papers, kernels, near_risks
from kb.placing.model import fit, predict

from .corpus import Corpus, curated
from .vectors import ROOT, vectors

RESULTS = ROOT / "bench/suggest/results.json"
FOLDS, SEED = 10, 7
FIRST = (1, 3, 5)


def measured(abstracts: Path | None = None) -> dict[str, Any]:
    """The figures of every way to know a paper, and of keyword rules alone.

    ``abstracts`` is a file of rows with ``key`` and ``abstract``; papers without one are then
    left out of that way.
    """
    corpus = curated()
    ways = _ways(corpus)
    counted = dict.fromkeys(ways, np.ones(len(corpus.keys), dtype=bool))
    if abstracts is not None:
        name = "title, abstract and lists"
        ways[name], counted[name] = _with_abstracts(corpus, abstracts)
    told = out_of_fold(corpus, ways)
    return {
        "measured_at": date.today().isoformat(),
        "papers": len(corpus.keys),
        "risks": len(corpus.slugs),
        "folds": FOLDS,
        "seed": SEED,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "keyword rules alone": _rules(corpus),
        "worlds": {name: _world(corpus, *told[name], counted[name]) for name in ways},
    }


def _ways(corpus: Corpus) -> dict[str, Papers]:
    full, titles = corpus.papers, corpus.papers.titles
    alone = replace(full, texts=titles, vectors=vectors(titles))
    plain = replace(full, texts=corpus.plain, vectors=vectors(corpus.plain))
    nowhere: list[list[str]] = [[] for _ in titles]
    return {
        "title, plain words, summary and lists": full,
        "title, plain words and summary": replace(full, lists=nowhere),
        "title, plain words and lists": plain,
        "title and lists": alone,
        "title": replace(alone, lists=nowhere),
    }


def _with_abstracts(corpus: Corpus, path: Path) -> tuple[Papers, np.ndarray]:
    """(papers by title and abstract, which of them have one)."""
    with path.open(encoding="utf-8") as lines:
        known = {row["key"]: row["abstract"] for row in map(json.loads, lines)}
    found = [known.get(key.removeprefix("arxiv:"), "") for key in corpus.keys]
    pairs = zip(corpus.papers.titles, found, strict=True)
    texts = ["\n".join(filter(None, pair)) for pair in pairs]
    papers = replace(corpus.papers, texts=texts, vectors=vectors(texts))
    return papers, np.array([bool(text) for text in found])


def _world(
    corpus: Corpus, risks: np.ndarray, kinds: np.ndarray, counted: np.ndarray
) -> dict[str, Any]:
    order = np.argsort(-risks, axis=1)
    hit = np.take_along_axis(corpus.targets, order, 1)[counted]
    found: dict[str, Any] = {f"risk top-{n}": _share(np.asarray(hit[:, :n].any(1))) for n in FIRST}
    of_kind = np.take_along_axis(corpus.kinds, kinds.argmax(1)[:, None], 1)[:, 0]
    found["kind"] = _share(of_kind[counted])
    first = np.take_along_axis(risks, order[:, :1], 1)[:, 0]
    found["confidence of the first"] = _calibration(first[counted], hit[:, 0])
    return found


def out_of_fold(
    corpus: Corpus, ways: dict[str, Papers]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{way: (confidence of risks, scores of kinds)}, by models that never saw the paper."""
    likeness = Likeness(corpus.papers, corpus.risks)
    spaces = likeness.spaces(corpus.papers)
    found, near = kernels(spaces, spaces), near_risks(corpus.papers, corpus.risks, likeness)
    asked = {
        name: (kernels(likeness.spaces(way), spaces), near_risks(way, corpus.risks, likeness))
        for name, way in ways.items()
    }
    told = {name: (np.zeros(corpus.targets.shape), np.zeros(corpus.kinds.shape)) for name in ways}
    fold = np.random.default_rng(SEED).permutation(len(corpus.keys)) % FOLDS
    for part in range(FOLDS):
        known, new = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        square = {name: one[np.ix_(known, known)] for name, one in found.items()}
        theirs = [one[known] for one in near]
        learnt = fit(square, theirs, corpus.targets[known], corpus.kinds[known])
        for name, (all_against, all_near) in asked.items():
            against = {space: one[np.ix_(new, known)] for space, one in all_against.items()}
            risks, kinds = predict(learnt, against, [one[new] for one in all_near])
            told[name][0][new], told[name][1][new] = risks, kinds
    return told


def _rules(corpus: Corpus) -> dict[str, Any]:
    """One risk a paper at most, so top-1 and top-3 are the same; no proposal is a miss."""
    at = np.arange(len(corpus.keys))
    risk = np.asarray((corpus.rule >= 0) & corpus.targets[at, corpus.rule])
    kind = np.asarray((corpus.rule_kind >= 0) & corpus.kinds[at, corpus.rule_kind])
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
