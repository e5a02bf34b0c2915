"""Search, behind one door: rank, similar, rebuild, status.

A text is answered by two legs, meaning (FAISS) and words (BM25 over PostgreSQL's lexemes),
which are fused. An identifier or an exact title goes straight to its paper.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from kb.models import Paper

from . import _answerable
from ._answerable import Evidence, log_odds
from ._embedder import EmbedderError
from ._fusion import Found, Hit, Leg, fuse
from ._query import MAX_CHARACTERS, Query, clean, identifier

if TYPE_CHECKING:
    import numpy as np

    from ._index import State

# At most so many papers come from a leg, and only those not far behind its best.
DEPTH = 1000
SHARE_OF_BEST = 0.3
BEHIND_BEST = 0.3
# How many of the first papers say what the query means (see _moved).
FEEDBACK = 4


class Mode(StrEnum):
    """Which legs answer."""

    HYBRID = "hybrid"
    SEMANTIC = "semantic"
    KEYWORD = "keyword"


__all__ = [
    "MAX_CHARACTERS",
    "EmbedderError",
    "Hit",
    "Mode",
    "Query",
    "Ranking",
    "clean",
    "identifier",
    "rank",
    "rebuild",
    "similar",
    "status",
]


@dataclass
class Ranking:
    """The hits of a query, best first.

    ``hits`` are within the filter; ``everywhere`` are the ids of all papers that match,
    whatever the filter; ``took_ms`` says how long each part took, in milliseconds.
    """

    hits: list[Hit]
    took_ms: dict[str, float]
    query: Query | None = None
    everywhere: list[int] = field(default_factory=list)
    evidence: Evidence | None = None
    exact: bool = False

    @property
    def answerable(self) -> bool:
        """Whether something here answers the query, by the calibrated threshold."""
        return self.exact or (self.evidence is not None and log_odds(self.evidence) >= 0)


def rank(
    text: str, papers: QuerySet[Paper], mode: Mode = Mode.HYBRID, depth: int = DEPTH
) -> Ranking:
    """Rank ``papers`` (already filtered) by how well they answer ``text``.

    Any string is fine; one without words finds nothing. Each leg gives at most ``depth``.
    """
    from ._keyword import KEYWORDS
    from ._query import understand

    took: dict[str, float] = {}
    text = clean(text)
    if not text:
        return Ranking([], took)
    with _timed(took, "query"):
        query = understand(text, KEYWORDS.fresh().words)
    vector = None if mode is Mode.KEYWORD else _embedded(query, took)
    exact = _exact(text)
    ranked = _ranked(query, vector, mode, depth, took)
    hits = fuse(ranked, exact)
    with _timed(took, "answerable"):
        evident = _evidence(query, vector, ranked)
    within = hits
    if papers.query.where:
        within = _within(hits, papers)
        if any(len(leg.found) >= depth for leg in ranked.values()):
            # A leg was cut, so what the filter wants may lie behind the cut.
            allowed = _allowed(papers)
            ranked = _ranked(query, vector, mode, depth, took, allowed)
            within = fuse(ranked, exact if exact in set(allowed.tolist()) else None)
    return Ranking(within, took, query, [hit.paper_id for hit in hits], evident, exact is not None)


def similar(paper: Paper, papers: QuerySet[Paper], limit: int = 10) -> Found:
    """(paper id, cosine similarity) of the papers nearest to ``paper``, without itself."""
    from ._index import PAPERS

    vector = PAPERS.vector(paper.pk)
    if vector is None:
        return []
    found = PAPERS.search(vector, limit + 1, _allowed(papers))
    return [pair for pair in found if pair[0] != paper.pk][:limit]


def with_words(papers: QuerySet[Paper], text: str) -> QuerySet[Paper]:
    """The papers that hold at least one word of ``text``."""
    from ._holding import holding

    return holding(clean(text), papers)


def why(query: Query, papers: Iterable[Paper]) -> dict[int, list[tuple[str, bool]]]:
    """{paper id: the sentence that matched}, as (piece, whether it is a matched word)."""
    from ._keyword import KEYWORDS, passage

    wanted = KEYWORDS.idf(query.lexemes)
    stem = KEYWORDS.current().words.stem
    texts = {paper.pk: "\n".join([paper.summary, paper.abstract]) for paper in papers}
    return {pk: passage(text, wanted, stem) for pk, text in texts.items()}


def warm() -> None:
    """Load the model and both legs now, and not at somebody's first search."""
    from ._embedder import embedder
    from ._index import PAPERS
    from ._keyword import KEYWORDS

    KEYWORDS.fresh()
    PAPERS.search(embedder().encode(["warm"])[0], 1)


def rebuild() -> State:
    """Build the index from PostgreSQL and write its file."""
    from ._index import PAPERS

    return PAPERS.rebuild()


def embed_stale(progress: Callable[[int, int], None] | None = None) -> int:
    """Embed every paper whose text changed; return how many."""
    from ._vectors import embed_stale as run

    return run(progress)


def vectors() -> tuple[list[int], np.ndarray]:
    """(paper ids, their unit vectors of shape (papers, dimension)), all of them."""
    from ._vectors import everything

    return everything()


def ship() -> int:
    """Write the vectors of the present texts to the fixtures; return how many."""
    from ._vectors import write_shipped

    return write_shipped()


def status() -> dict[str, Any]:
    """What is searchable: the model, vectors stored, papers without one."""
    from ._index import State
    from ._vectors import stale

    state = State.now()
    return {"model": state.model, "vectors": state.rows, "stale": len(stale())}


class _timed:
    """Notes how long a block took, in milliseconds."""

    def __init__(self, took: dict[str, float], name: str) -> None:
        self.took, self.name = took, name

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *trouble: object) -> None:
        self.took[self.name] = round(1000 * (time.perf_counter() - self.start), 2)


def _ranked(
    query: Query,
    vector: np.ndarray | None,
    mode: Mode,
    depth: int,
    took: dict[str, float],
    allowed: np.ndarray | None = None,
) -> dict[str, Leg]:
    """What each leg finds, best first, cut where it falls far behind the leg's best."""
    legs: dict[str, Leg] = {}
    if mode is not Mode.SEMANTIC:
        with _timed(took, "keyword"):
            legs["keyword"] = by_words(query, depth, allowed)
    if vector is not None:
        with _timed(took, "semantic"):
            also = [pk for pk, _ in legs["keyword"].found] if legs else []
            legs["semantic"] = by_meaning(vector, depth, allowed, also)
            if mode is Mode.HYBRID:
                vector = _moved(vector, fuse(legs, None)[:FEEDBACK])
                legs["semantic"] = by_meaning(vector, depth, allowed, also, refresh=False)
    return legs


def _evidence(query: Query, vector: np.ndarray | None, legs: dict[str, Leg]) -> Evidence:
    """What the legs say about whether anything here answers the query."""
    from ._index import PAPERS
    from ._keyword import KEYWORDS

    keyword = legs.get("keyword") or by_words(query)
    first = [pk for pk, _ in keyword.found[: _answerable.FIRST]]
    worth, known, held = KEYWORDS.held(query.lexemes, first)
    if vector is None:
        return _answerable.evidence(worth, known, held, None, 0.0)
    cosines = [cosine for _, cosine in PAPERS.search(vector, _answerable.NEAR, refresh=False)]
    return _answerable.evidence(worth, known, held, cosines, PAPERS.usual(vector))


def _moved(vector: np.ndarray, first: list[Hit]) -> np.ndarray:
    """The query's vector, moved half way to the mean of the papers that both legs put first.

    Pseudo-relevance feedback (Rocchio 1971): words choose the papers, and their meaning then
    finds more like them.
    """
    import numpy as np

    from ._index import PAPERS

    near = PAPERS.vectors([hit.paper_id for hit in first])
    if not len(near):
        return vector
    mean = near.mean(axis=0)
    moved = vector + mean / np.linalg.norm(mean)
    return np.asarray(moved / np.linalg.norm(moved), dtype=np.float32)


def _embedded(query: Query, took: dict[str, float]) -> np.ndarray:
    from ._embedder import embedder

    with _timed(took, "embedding"):
        vector: np.ndarray = embedder().encode([query.meant])[0]
    return vector


def by_meaning(
    vector: np.ndarray,
    depth: int = DEPTH,
    allowed: np.ndarray | None = None,
    also: Sequence[int] = (),
    refresh: bool = True,
) -> Leg:
    """The papers not far behind the nearest one, by cosine; the cosines of ``also`` too."""
    from ._index import PAPERS

    found = PAPERS.search(vector, depth, allowed, refresh)
    nearest = PAPERS.search(vector, 1, refresh=False) if allowed is not None else found[:1]
    best = nearest[0][1] if nearest else 0.0
    found = [pair for pair in found if pair[1] >= best - BEHIND_BEST]
    scores = dict(found)
    scores |= PAPERS.cosines(vector, [pk for pk in also if pk not in scores])
    return Leg(found, PAPERS.usual(vector), best, scores)


def by_words(query: Query, depth: int = DEPTH, allowed: np.ndarray | None = None) -> Leg:
    """The papers not far behind the best one, by BM25; the scores of all others too."""
    import numpy as np

    from ._keyword import KEYWORDS

    ids, scores = KEYWORDS.scores(query.lexemes)
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


def _within(hits: list[Hit], papers: QuerySet[Paper]) -> list[Hit]:
    """The hits among ``papers``."""
    if not papers.query.where:
        return hits
    named = papers.order_by().filter(pk__in=[hit.paper_id for hit in hits])
    allowed = set(named.values_list("pk", flat=True))
    return [hit for hit in hits if hit.paper_id in allowed]


def _allowed(papers: QuerySet[Paper]) -> Any:
    """The ids of a filtered set as int64, or None where nothing is filtered."""
    import numpy as np

    if not papers.query.where:
        return None
    return np.fromiter(papers.order_by().values_list("pk", flat=True), dtype=np.int64)


def _exact(text: str) -> int | None:
    """The paper that the text names by identifier or whole title."""
    from ._keyword import KEYWORDS, plain_title

    if named := identifier(text):
        return Paper.objects.filter(**named).values_list("pk", flat=True).first()
    return KEYWORDS.current().titles.get(plain_title(text))
