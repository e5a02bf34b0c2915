"""The legs of a search, and what is gathered beside them: topics, feedback, evidence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from kb.models import Provenance

from . import _answerable
from ._answerable import Evidence
from ._fusion import Hit, Leg, fuse
from ._index import PAPERS, PaperIndex
from ._keyword import KEYWORDS, Keywords
from ._query import Query
from ._terms import TERMS
from ._world import World, placed_under

# At most so many papers come from a leg, and only those not far behind its best.
DEPTH = 1000
SHARE_OF_BEST = 0.3
BEHIND_BEST = 0.3
# How many of the first papers say what the query means (see _moved).
FEEDBACK = 4
# What a placement suggested by rules counts beside one that a curator made.
SUGGESTED_COUNTS = 0.6


class Mode(StrEnum):
    """Which legs answer."""

    HYBRID = "hybrid"
    SEMANTIC = "semantic"
    KEYWORD = "keyword"


class timed:
    """Notes how long a block took, in milliseconds."""

    def __init__(self, took: dict[str, float], name: str) -> None:
        self.took, self.name = took, name

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *trouble: object) -> None:
        self.took[self.name] = round(1000 * (time.perf_counter() - self.start), 2)


def live() -> World:
    """The world as it is."""
    return World(PAPERS, KEYWORDS, TERMS, placed_under)


def ranked(
    query: Query,
    vector: np.ndarray | None,
    mode: Mode,
    depth: int,
    took: dict[str, float],
    allowed: np.ndarray | None = None,
    world: World | None = None,
) -> dict[str, Leg]:
    """What each leg finds, best first, cut where it falls far behind the leg's best."""
    world = world or live()
    legs: dict[str, Leg] = {}
    if mode is not Mode.SEMANTIC:
        with timed(took, "keyword"):
            legs["keyword"] = by_words(query, depth, allowed, world.words)
    if vector is not None:
        with timed(took, "semantic"):
            also = [pk for pk, _ in legs["keyword"].found] if legs else []
            legs["semantic"] = by_meaning(vector, depth, allowed, also, papers=world.papers)
            if mode is Mode.HYBRID:
                vector = _moved(vector, fuse(legs, None)[:FEEDBACK], world.papers)
                legs["semantic"] = by_meaning(vector, depth, allowed, also, False, world.papers)
    return legs


def topics(
    vector: np.ndarray | None, lift: bool = True, world: World | None = None
) -> tuple[dict[int, tuple[float, str]], float]:
    """({paper id: (closeness, name) of its topic closest to the query}, the best cosine).

    Query expansion from the taxonomy: what is placed under a risk near to the query, by a
    curator or (less surely) by rules, is likelier to be about it. Without ``lift`` only the
    cosine is wanted.
    """
    if vector is None:
        return {}, 0.0
    world = world or live()
    closeness, best = world.terms.closest(vector)
    if not lift:
        return {}, best
    found: dict[int, tuple[float, str]] = {}
    for pk, slug, name, origin in world.placed(closeness):
        sure = 1.0 if origin == Provenance.CURATED else SUGGESTED_COUNTS
        found[pk] = max(found.get(pk, (0.0, "")), (sure * closeness[slug], name))
    return found, best


def evidence(
    query: Query, vector: np.ndarray | None, legs: dict[str, Leg], topic: float
) -> Evidence:
    """What the legs say about whether anything here answers the query."""
    keyword = legs.get("keyword") or by_words(query)
    first = [pk for pk, _ in keyword.found[: _answerable.FIRST]]
    worth, known, held = KEYWORDS.held(query.lexemes, first)
    if vector is None:
        return _answerable.evidence(worth, known, held)
    nearest = [cosine for _, cosine in PAPERS.search(vector, 1, refresh=False)]
    return _answerable.evidence(worth, known, held, nearest[0] if nearest else 0.0, topic)


def _moved(vector: np.ndarray, first: list[Hit], papers: PaperIndex) -> np.ndarray:
    """The query's vector, moved half way to the mean of the papers that both legs put first.

    Pseudo-relevance feedback (Rocchio 1971): words choose the papers, and their meaning then
    finds more like them.
    """
    near = papers.vectors([hit.paper_id for hit in first])
    if not len(near):
        return vector
    mean = near.mean(axis=0)
    moved = vector + mean / np.linalg.norm(mean)
    return np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)


def by_meaning(
    vector: np.ndarray,
    depth: int = DEPTH,
    allowed: np.ndarray | None = None,
    also: Sequence[int] = (),
    refresh: bool = True,
    papers: PaperIndex | None = None,
) -> Leg:
    """The papers not far behind the nearest one, by cosine; the cosines of ``also`` too."""
    papers = papers or PAPERS
    found = papers.search(vector, depth, allowed, refresh)
    nearest = papers.search(vector, 1, refresh=False) if allowed is not None else found[:1]
    best = nearest[0][1] if nearest else 0.0
    found = [pair for pair in found if pair[1] >= best - BEHIND_BEST]
    scores = dict(found)
    scores |= papers.cosines(vector, [pk for pk in also if pk not in scores])
    return Leg(found, papers.usual(vector), best, scores)


def by_words(
    query: Query,
    depth: int = DEPTH,
    allowed: np.ndarray | None = None,
    words: Keywords | None = None,
) -> Leg:
    """The papers not far behind the best one, by BM25; the scores of all others too."""
    ids, scores = (words or KEYWORDS).scores(query.lexemes)
    best = float(scores.max(initial=0.0))
    if best <= 0:
        return Leg([])
    kept = np.flatnonzero(scores >= SHARE_OF_BEST * best)
    if allowed is not None:
        kept = kept[np.isin(ids[kept], allowed)]
    order = kept[np.lexsort((ids[kept], -scores[kept]))][:depth]
    found = list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))
    held = np.flatnonzero(scores)
    every = dict(zip(ids[held].tolist(), scores[held].tolist(), strict=True))
    return Leg(found, 0.0, best, every)
