"""Search, behind one door: rank, similar, rebuild, status.

A text is answered by two legs, meaning (FAISS) and words (PostgreSQL), fused by
reciprocal rank (Cormack, Clarke & Büttcher 2009, SIGIR, k = 60). An identifier or an exact
title goes straight to its paper.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from kb.models import Paper

from ._embedder import EmbedderError

if TYPE_CHECKING:
    import numpy as np

    from ._index import State

RRF_K = 60
DEPTH = 200
MAX_CHARACTERS = 20_000
ARXIV_ID = re.compile(r"(?:arxiv[:/]\s*|abs/|pdf/)?(\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?$", re.I)
DOI = re.compile(r"(?:doi:|https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)$", re.I)


class Mode(StrEnum):
    """Which legs answer."""

    HYBRID = "hybrid"
    SEMANTIC = "semantic"
    KEYWORD = "keyword"


__all__ = ["EmbedderError", "Hit", "Mode", "Ranking", "rank", "rebuild", "similar", "status"]


@dataclass
class Hit:
    """A paper that answers, with its rank in each leg (1 is best, None is absent)."""

    paper_id: int
    score: float = 0.0
    ranks: dict[str, int | None] = field(
        default_factory=lambda: {"semantic": None, "keyword": None}
    )
    exact: bool = False


@dataclass
class Ranking:
    """All hits of a query, best first, and how long each part took in milliseconds."""

    hits: list[Hit]
    took_ms: dict[str, float]


def rank(
    text: str, papers: QuerySet[Paper], mode: Mode = Mode.HYBRID, depth: int = DEPTH
) -> Ranking:
    """Rank ``papers`` (already filtered) by how well they answer ``text``.

    Any string is fine; one without words finds nothing. Each leg gives at most ``depth``.
    """
    text = clean(text)
    took: dict[str, float] = {}
    if not text:
        return Ranking([], took)
    legs: dict[str, list[tuple[int, float]]] = {}
    if mode is not Mode.KEYWORD:
        legs["semantic"] = _timed(took, "semantic", lambda: _by_meaning(text, papers, depth))
    if mode is not Mode.SEMANTIC:
        legs["keyword"] = _timed(took, "keyword", lambda: _by_words(text, papers, depth))
    exact = _timed(took, "exact", lambda: _exact(text, papers))
    return Ranking(_fuse(legs, exact), took)


def clean(text: str) -> str:
    """The text without control characters, its spaces collapsed, cut at 20,000 characters."""
    printable = "".join(c if c.isprintable() or c.isspace() else " " for c in text)
    return " ".join(printable.split())[:MAX_CHARACTERS]


def identifier(text: str) -> dict[str, str] | None:
    """The paper field that ``text`` names, if it is an arXiv id or a DOI."""
    if found := ARXIV_ID.search(text.strip()):
        return {"arxiv_id": found.group(1)}
    if found := DOI.match(text.strip()):
        return {"doi__iexact": found.group(1)}
    return None


def similar(paper: Paper, papers: QuerySet[Paper], limit: int = 10) -> list[tuple[int, float]]:
    """(paper id, cosine similarity) of the papers nearest to ``paper``, without itself."""
    from ._index import PAPERS

    vector = PAPERS.vector(paper.pk)
    if vector is None:
        return []
    found = PAPERS.search(vector, limit + 1, _allowed(papers))
    return [pair for pair in found if pair[0] != paper.pk][:limit]


def with_words(papers: QuerySet[Paper], text: str) -> QuerySet[Paper]:
    """The papers that hold at least one word of ``text``."""
    from ._keyword import holding

    return holding(clean(text), papers)


def why(text: str, papers: QuerySet[Paper]) -> dict[int, list[tuple[str, bool]]]:
    """{paper id: the passage that matched}, as (piece, whether it is a matched word)."""
    from ._keyword import headlines

    return {pk: _pieces(marked) for pk, marked in headlines(text, papers).items() if marked}


def _pieces(marked: str) -> list[tuple[str, bool]]:
    """Split at the marks \\x02 and \\x03 that stand around matched words."""
    parts = re.split("[\x02\x03]", marked)
    return [(part, place % 2 == 1) for place, part in enumerate(parts) if part]


def warm() -> None:
    """Load the model and the index now, and not at somebody's first search."""
    from ._embedder import embedder
    from ._index import PAPERS

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


def _timed(took: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    answer = work()
    took[name] = round(1000 * (time.perf_counter() - start), 2)
    return answer


def _by_meaning(text: str, papers: QuerySet[Paper], depth: int) -> list[tuple[int, float]]:
    from ._embedder import embedder
    from ._index import PAPERS

    return PAPERS.search(embedder().encode([text])[0], depth, _allowed(papers))


def _by_words(text: str, papers: QuerySet[Paper], depth: int) -> list[tuple[int, float]]:
    from ._keyword import matches

    return matches(text, papers, depth)


def _allowed(papers: QuerySet[Paper]) -> Any:
    """The ids of a filtered set as int64, or None where nothing is filtered."""
    import numpy as np

    if not papers.query.where:
        return None
    return np.fromiter(papers.order_by().values_list("pk", flat=True), dtype=np.int64)


def _exact(text: str, papers: QuerySet[Paper]) -> int | None:
    """The paper that the text names by identifier or whole title."""
    named = identifier(text) or {"title__iexact": text}
    return papers.filter(**named).values_list("pk", flat=True).first()


def _fuse(legs: dict[str, list[tuple[int, float]]], exact: int | None) -> list[Hit]:
    """Reciprocal rank fusion: score = sum over legs of 1 / (60 + rank)."""
    hits: dict[int, Hit] = {}
    for leg, found in legs.items():
        for position, (paper_id, _) in enumerate(found, start=1):
            hit = hits.setdefault(paper_id, Hit(paper_id))
            hit.score += 1 / (RRF_K + position)
            hit.ranks[leg] = position
    if exact is not None:
        named = hits.setdefault(exact, Hit(exact))
        named.exact, named.score = True, 1.0
    return sorted(hits.values(), key=lambda hit: (-hit.score, hit.paper_id))
