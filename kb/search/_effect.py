"""Which rankings a supposition changes: neighbours of papers, and answers to known queries.

The cost is bounded: a fixed number of papers and queries, those nearest in meaning to what
would change, are ranked as it is and as it would be; how many were looked at is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from kb.models import Placement

from ._embedder import embedder
from ._fusion import fuse
from ._index import PaperIndex
from ._legs import DEPTH, Mode, live, ranked, topics
from ._query import Query, clean, understand
from ._supposed import Supposition, world
from ._vectors import FIXTURE, STORED, text_digest
from ._world import World

# A ranking is its first so many papers.
FIRST = 10
MOST_QUERIES = 40
MOST_PAPERS = 200
# The vectors of the known queries ship with the others: asking costs no model then.
QUERIES = FIXTURE / "queries.npz"
# The same queries are asked with every change set: each is understood and embedded once.
_asked: dict[tuple[str, str], tuple[Query, np.ndarray]] = {}


@dataclass(frozen=True)
class Move:
    """A paper's rank in a ranking before and after; None is outside the first ten."""

    paper_id: int
    before: int | None
    after: int | None


@dataclass
class Effect:
    """Rankings that would be others, by paper and by query, and how many were looked at."""

    neighbours: dict[int, list[Move]] = field(default_factory=dict)
    queries: dict[str, list[Move]] = field(default_factory=dict)
    papers_looked_at: int = 0
    queries_looked_at: int = 0


def effect(supposed: Supposition, queries: Mapping[str, str]) -> Effect:
    """What changes in the ten nearest of papers and the first ten of ``queries`` {id: text}.

    Raises EmbedderError where search by meaning is off.
    """
    found, now, then = Effect(), live(), world(supposed)
    touched = _touched(supposed, now, then)
    if not len(touched):
        return found
    now.papers.refresh()  # once for all that follows
    now.terms.refresh()
    near = _near(supposed, now, then)
    found.papers_looked_at = len(near)
    for pk in near:
        if moved := moves(_nearest(now.papers, pk), _nearest(then.papers, pk)):
            found.neighbours[pk] = moved
    known = dict(zip(queries, _understood(list(queries.values()), now), strict=True))
    asked = _nearest_queries(known, touched, supposed, now, then)
    found.queries_looked_at = len(asked)
    for name in asked:
        if moved := moves(_answer(*known[name], now), _answer(*known[name], then)):
            found.queries[name] = moved
    return found


def moves(before: list[int], after: list[int]) -> list[Move]:
    """Every paper whose rank differs, in the new order, those that leave last."""
    was = {pk: rank for rank, pk in enumerate(before, start=1)}
    is_ = {pk: rank for rank, pk in enumerate(after, start=1)}
    both = [*after, *(pk for pk in before if pk not in is_)]
    found = (Move(pk, was.get(pk), is_.get(pk)) for pk in both)
    return [move for move in found if move.before != move.after]


def _answer(query: Query, vector: np.ndarray, where: World) -> list[int]:
    legs = ranked(query, vector, Mode.HYBRID, DEPTH, {}, world=where)
    lifted, _ = topics(vector, world=where)
    return fuse(legs, None, lifted).papers[:FIRST].tolist()


def _search(papers: PaperIndex, vector: np.ndarray, k: int) -> list[tuple[int, float]]:
    ids, cosines = papers.nearest(vector, k, refresh=False)
    return list(zip(ids.tolist(), cosines.tolist(), strict=True))


def _nearest(papers: PaperIndex, pk: int) -> list[int]:
    own = papers.vectors([pk])
    if not len(own):
        return []
    return [near for near, _ in _search(papers, own[0], FIRST + 1) if near != pk][:FIRST]


def _near(supposed: Supposition, now: World, then: World) -> list[int]:
    """The papers whose text changes, then those near to their old or new place."""
    found = dict.fromkeys(supposed.texts)
    each = MOST_PAPERS // (2 * max(len(supposed.changed), 1))
    for where in (now, then):
        for pk in supposed.changed:
            own = where.papers.vectors([pk])
            if len(own):
                found |= dict.fromkeys(pk for pk, _ in _search(where.papers, own[0], each))
    return [pk for pk in found if pk not in supposed.gone][:MOST_PAPERS]


def _touched(supposed: Supposition, now: World, then: World) -> np.ndarray:
    """The vectors of all that changes, before and after; shape (n, dimension)."""
    placed = Placement.objects.filter(pk__in=supposed.placed).values_list("paper_id", flat=True)
    papers = {*placed, *(pk for row in supposed.placed.values() if row for pk in row[0])}
    parts = [now.papers.vectors(supposed.changed), now.papers.vectors(sorted(papers))]
    parts.append(then.papers.vectors(list(supposed.texts)))
    if then.terms is not now.terms:
        old, new = now.terms.texts(), then.terms.texts()
        parts.append(now.terms.vectors()[[i for i, text in enumerate(old) if text not in new]])
        parts.append(then.terms.vectors()[[i for i, text in enumerate(new) if text not in old]])
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else np.zeros((0, embedder().dimension))


def _nearest_queries(
    known: Mapping[str, tuple[Query, np.ndarray]],
    touched: np.ndarray,
    supposed: Supposition,
    now: World,
    then: World,
) -> list[str]:
    """The names of the queries nearest to what is touched, by meaning or by words."""
    reach = {}
    for name, (query, vector) in known.items():
        words = (_words(query, where, supposed.changed) for where in (now, then))
        reach[name] = max(float((touched @ vector).max()), *words)
    return sorted(reach, key=lambda name: -reach[name])[:MOST_QUERIES]


def _words(query: Query, where: World, papers: list[int]) -> float:
    """The most of a query's words, by worth and from 0 to 1, that one of the papers holds."""
    worth, _, held = where.words.held(query.lexemes, papers)
    return max(held, default=0.0) / max(sum(worth.values()), 1e-6)


def _understood(texts: list[str], now: World) -> list[tuple[Query, np.ndarray]]:
    """What each query means, and its vector."""
    model, words = embedder().name, now.words.fresh().words
    missing = {t: understand(clean(t), words) for t in texts if (model, t) not in _asked}
    vectors = _vectors(model, [query.meant for query in missing.values()])
    for text, query in missing.items():
        _asked[model, text] = query, vectors[query.meant]
    return [_asked[model, text] for text in texts]


def _vectors(model: str, texts: list[str]) -> dict[str, np.ndarray]:
    """Vectors by text: the shipped ones, and new ones for the rest."""
    shipped = _shipped(model)
    found = {text: shipped[d] for text in texts if (d := text_digest(text)) in shipped}
    missing = [text for text in texts if text not in found]
    if missing:
        found |= dict(zip(missing, embedder().encode(missing), strict=True))
    return found


@lru_cache(maxsize=2)
def _shipped(model: str) -> dict[str, np.ndarray]:
    """{text digest: vector} of the known queries, where they were made by the model."""
    if not QUERIES.exists():
        return {}
    with np.load(QUERIES) as stored:
        if str(stored["model"]) != model:
            return {}
        return dict(zip(stored["digests"].tolist(), stored["vectors"].astype("f4"), strict=True))


def ship_queries(texts: list[str]) -> int:
    """Write the vectors of these queries, as they are understood, to the fixtures."""
    words = live().words.fresh().words
    meant = list(dict.fromkeys(understand(clean(text), words).meant for text in texts))
    vectors = embedder().encode(meant).astype(STORED)
    digests = np.array([text_digest(text) for text in meant])
    np.savez(QUERIES, model=np.array(embedder().name), digests=digests, vectors=vectors)
    return len(meant)
