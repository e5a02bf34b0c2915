"""The legs of a search, and what is gathered beside them: topics, feedback, evidence."""

from __future__ import annotations

import time
from enum import StrEnum

import numpy as np

from kb.models import Provenance

from . import _answerable
from ._answerable import Evidence
from ._fusion import Leg, Topics, fuse, no_ids
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

    @property
    def label(self) -> str:
        """What a reader calls it."""
        return {"hybrid": "meaning and words", "semantic": "meaning", "keyword": "words"}[self]


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
    """What each leg finds, best first, cut where it falls far behind the leg's best.

    Whoever asks has brought the papers up to date.
    """
    world = world or live()
    legs: dict[str, Leg] = {}
    if mode is not Mode.SEMANTIC:
        with timed(took, "keyword"):
            legs["keyword"] = by_words(query, depth, allowed, world.words)
    if vector is not None:
        with timed(took, "semantic"):
            also = legs["keyword"].found if legs else no_ids()
            legs["semantic"] = by_meaning(vector, depth, allowed, also, world.papers)
            if mode is Mode.HYBRID:
                vector = _moved(vector, fuse(legs).papers[:FEEDBACK], world.papers)
                legs["semantic"] = by_meaning(vector, depth, allowed, also, world.papers)
    return legs


def topics(
    vector: np.ndarray | None, lift: bool = True, world: World | None = None
) -> tuple[Topics, float]:
    """(papers under the topics closest to the query, the best topic's cosine).

    Query expansion from the taxonomy: what is placed under a risk near to the query, by a
    curator or (less surely) by rules, is likelier to be about it. Without ``lift`` only the
    cosine is wanted.
    """
    if vector is None:
        return Topics(), 0.0
    world = world or live()
    closeness, best = world.terms.closest(vector)
    if not lift or not closeness:
        return Topics(), best
    rows = list(world.placed(closeness))
    sure = {Provenance.CURATED.value: 1.0}
    lifts = [closeness[slug] * sure.get(origin, SUGGESTED_COUNTS) for _, slug, _, origin in rows]
    sizes = [len(found) for found, *_ in rows]
    papers = np.concatenate([no_ids(), *(np.asarray(found, dtype=np.int64) for found, *_ in rows)])
    lifted = np.repeat(lifts, sizes).astype(np.float32)
    names = np.repeat(np.array([name for _, _, name, _ in rows], dtype=object), sizes)
    order = np.argsort(-lifted, kind="stable")
    once, first = np.unique(papers[order], return_index=True)
    return Topics(once, lifted[order][first], names[order][first]), best


def evidence(
    query: Query, vector: np.ndarray | None, legs: dict[str, Leg], topic: float
) -> Evidence:
    """What the legs say about whether anything here answers the query."""
    keyword = legs.get("keyword") or by_words(query)
    first = keyword.found[: _answerable.FIRST].tolist()
    worth, known, held = KEYWORDS.held(query.lexemes, first)
    if vector is None:
        return _answerable.evidence(worth, known, held)
    _, nearest = PAPERS.nearest(vector, 1, refresh=False)
    return _answerable.evidence(worth, known, held, float(nearest.max(initial=0.0)), topic)


def _moved(vector: np.ndarray, first: np.ndarray, papers: PaperIndex) -> np.ndarray:
    """The query's vector, moved half way to the mean of the papers that both legs put first.

    Pseudo-relevance feedback (Rocchio 1971): words choose the papers, and their meaning then
    finds more like them.
    """
    near = papers.vectors(first.tolist())
    if not len(near):
        return vector
    mean = near.mean(axis=0)
    moved = vector + mean / np.linalg.norm(mean)
    return np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)


def by_meaning(
    vector: np.ndarray,
    depth: int = DEPTH,
    allowed: np.ndarray | None = None,
    also: np.ndarray | None = None,
    papers: PaperIndex | None = None,
) -> Leg:
    """The papers not far behind the nearest one, by cosine; the cosines of ``also`` too."""
    papers = papers or PAPERS
    found, cosines = papers.nearest(vector, depth, allowed, refresh=False)
    top = cosines if allowed is None else papers.nearest(vector, 1, refresh=False)[1]
    best = float(top.max(initial=-1.0)) if len(top) else 0.0
    near = cosines >= best - BEHIND_BEST
    found, cosines = found[near], cosines[near]
    more = no_ids() if also is None else np.setdiff1d(also, found)
    more, their = papers.cosines(vector, more)
    known = np.concatenate([found, more])
    order = np.argsort(known)
    scores = np.concatenate([cosines, their])[order]
    return Leg(found, known[order], scores, papers.usual(vector), best)


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
        return Leg()
    kept = np.flatnonzero(scores >= SHARE_OF_BEST * best)
    if allowed is not None:
        kept = kept[np.isin(ids[kept], allowed)]
    order = kept[np.lexsort((ids[kept], -scores[kept]))][:depth]
    held = np.flatnonzero(scores)
    held = held[np.argsort(ids[held])]
    return Leg(ids[order], ids[held], scores[held], 0.0, best)
