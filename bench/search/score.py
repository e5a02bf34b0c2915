"""Score the rankings with ir-measures: means with intervals, and paired differences.

Intervals are percentile bootstraps over queries (10,000 resamples, one seed); a difference
resamples the same queries for both systems. Queries that nothing answers have no relevant
paper and are scored by ``answerability`` alone. Tables show the test half.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, Judged, R, Success, nDCG

from . import collection, runs
from .calibrate import CALIBRATION
from .world import TEXTS

SEED = 20261125
RESAMPLES = 10_000
MEASURES = {
    "nDCG@10": nDCG @ 10,
    "recall@20": R(rel=2) @ 20,
    "MRR": RR(rel=2),
    "judged@10": Judged @ 10,
}
KNOWN_ITEM = {"success@3": Success(rel=3) @ 3, "success@1": Success(rel=3) @ 1}
LIBRARIES = ("faiss-cpu", "sentence-transformers", "torch", "bm25s", "ir-measures", "django")
Values = dict[str, dict[str, float]]


def per_query(
    ranking: dict[str, list[str]], judged: dict[str, dict[str, int]], measures: dict[str, Any]
) -> Values:
    """{measure: {query id: value}} of one system on the queries of ``judged``."""
    qrels = [ir_measures.Qrel(q, k, g) for q, keys in judged.items() for k, g in keys.items()]
    run = [
        ir_measures.ScoredDoc(q, key, -float(place))
        for q in judged
        for place, key in enumerate(ranking.get(q, []))
    ]
    names = {measure: name for name, measure in measures.items()}
    found: Values = {name: dict.fromkeys(judged, 0.0) for name in measures}
    for row in ir_measures.iter_calc(list(names), qrels, run):
        found[names[row.measure]][row.query_id] = float(row.value)
    return found


def interval(values: Iterable[float]) -> dict[str, float | int]:
    """Mean with a 95 % percentile bootstrap interval over queries."""
    sample = np.array(list(values))
    means = _resampled(len(sample)) @ sample / len(sample)
    low, high = np.quantile(means, [0.025, 0.975])
    return {**_rounded(value=sample.mean(), low=low, high=high), "n": len(sample)}


def difference(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float | int]:
    """Paired difference of means, and how much larger ours is as a share of theirs."""
    names = sorted(ours)
    a, b = (np.array([side[name] for name in names]) for side in (ours, theirs))
    draws = _resampled(len(names))
    gaps = draws @ (a - b) / len(names)
    ratios = (draws @ a) / np.maximum(draws @ b, 1e-9) - 1
    low, high = np.quantile(gaps, [0.025, 0.975])
    least, most = np.quantile(ratios, [0.025, 0.975])
    return {
        **_rounded(difference=(a - b).mean(), low=low, high=high),
        **_rounded(relative=a.mean() / b.mean() - 1, relative_low=least, relative_high=most),
        "n": len(names),
    }


def _resampled(n: int) -> np.ndarray:
    """How often each of ``n`` queries is drawn, shape (resamples, n)."""
    return np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES)


def _rounded(**values: float) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in values.items()}


def asked_in(part: str) -> list[collection.Asked]:
    """The answerable queries of "development", "test" or "all"."""
    half = collection.halves()
    return [
        query
        for query in collection.queries()
        if query.kind != "unanswerable" and part in ("all", half[query.id])
    ]


def scored(rankings: dict[str, dict[str, list[str]]], part: str) -> dict[str, Any]:
    """Every system's scores on a part of the queries, and our fusion against each."""
    asked, qrels = asked_in(part), collection.qrels()
    judged = {query.id: qrels[query.id] for query in asked if any(qrels[query.id].values())}
    values = {name: per_query(ranking, judged, MEASURES) for name, ranking in rankings.items()}
    return {
        "systems": {name: _system(rankings[name], values[name], asked) for name in rankings},
        "fused against": {
            name: difference(values["fused"]["nDCG@10"], values[name]["nDCG@10"])
            for name in rankings
            if name != "fused"
        },
    }


def world(texts: str) -> dict[str, Any]:
    """The scores of one world on both halves and on all queries."""
    rankings = json.loads(runs.path(texts).read_text())
    parts = {part: scored(rankings, part) for part in ("test", "development", "all")}
    return {**parts, "answerability": answerability(texts)}


def answerability(texts: str) -> dict[str, Any]:
    """The cross-validated figures that the calibration stored for a world."""
    stored = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    found: dict[str, Any] = stored["models"]["meaning and words"]["cross-validated"].get(texts, {})
    return found


def _system(
    ranking: dict[str, list[str]], values: Values, asked: list[collection.Asked]
) -> dict[str, Any]:
    known = {q.id: dict.fromkeys(q.known, 3) for q in asked if q.kind == "known-item"}
    found = per_query(ranking, known, KNOWN_ITEM)
    kinds: dict[str, list[float]] = {}
    for query in asked:
        if query.id in values["nDCG@10"]:
            kinds.setdefault(query.kind, []).append(values["nDCG@10"][query.id])
    return {
        **{name: interval(per.values()) for name, per in values.items()},
        **{f"known-item {name}": interval(per.values()) for name, per in found.items()},
        "nDCG@10 by kind": {kind: interval(per) for kind, per in kinds.items()},
    }


def measured() -> dict[str, Any]:
    """Everything that ``make bench-search`` stores."""
    asked = collection.queries()
    return {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "seed": SEED,
        "resamples": RESAMPLES,
        "collection": {
            "digest": collection.digest(),
            "queries": dict(Counter(query.kind for query in asked)),
            "total": len(asked),
            "test": Counter(collection.halves().values())["test"],
            "judgements": sum(len(keys) for keys in collection.qrels().values()),
        },
        "versions": {name: version(name) for name in LIBRARIES},
        "worlds": {texts: world(texts) for texts in TEXTS if runs.path(texts).exists()},
    }


def show(results: dict[str, Any]) -> None:
    """Print the table that a reader of the terminal wants."""
    columns = ["nDCG@10", "recall@20", "MRR", "known-item success@3"]
    for texts, found in results["worlds"].items():
        test = found["test"]
        print(f"\nwith {texts}\n{'':22}" + "".join(f"{name:>26}" for name in columns))
        for name, scores in test["systems"].items():
            cells = [_cell(scores[column]) for column in columns]
            print(f"{name:22}" + "".join(f"{cell:>26}" for cell in cells))
        for name, gap in test["fused against"].items():
            print(
                f"fused against {name:22} nDCG@10 {gap['difference']:+.3f} "
                f"[{gap['low']:+.3f}, {gap['high']:+.3f}], {gap['relative']:+.0%} "
                f"[{gap['relative_low']:+.0%}, {gap['relative_high']:+.0%}]"
            )


def _cell(found: dict[str, float]) -> str:
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
