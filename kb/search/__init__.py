"""Search, behind one door: rank, similar, rebuild, status.

A text is answered by two legs, meaning (FAISS) and words (BM25 over PostgreSQL's lexemes),
which are fused. An identifier or an exact title goes straight to its paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db.models import QuerySet

from kb.models import Paper

from ._answerable import Evidence, log_odds
from ._effect import Effect, Move, effect, ship_queries
from ._embedder import EmbedderError, EmbedderLoading
from ._fusion import Found, Hit, Hits, fuse, no_ids
from ._legs import DEPTH, Mode, evidence, ranked, timed, topics
from ._query import MAX_CHARACTERS, Query, clean, identifier
from ._supposed import Supposition, suppose

if TYPE_CHECKING:
    from ._index import State
    from ._placed import Table
    from ._terms import Term

# From which cosine on a risk or a mitigation is shown beside the papers, and how many.
BESIDE = 0.45
BESIDE_MOST = 4

__all__ = [
    "MAX_CHARACTERS",
    "Beside",
    "Effect",
    "EmbedderError",
    "EmbedderLoading",
    "Hit",
    "Mode",
    "Move",
    "Query",
    "Ranking",
    "Supposition",
    "beside",
    "clean",
    "effect",
    "identifier",
    "rank",
    "rebuild",
    "ship_queries",
    "similar",
    "status",
    "suppose",
]


@dataclass
class Ranking:
    """The hits of a query, best first.

    ``hits`` are within the filter; ``everywhere`` has the ids of all papers that match,
    whatever the filter (int64); ``took_ms`` says how long each part took, in milliseconds.
    """

    hits: Sequence[Hit]
    took_ms: dict[str, float]
    query: Query | None = None
    everywhere: np.ndarray = field(default_factory=no_ids)
    evidence: Evidence | None = None
    exact: bool = False
    vector: np.ndarray | None = None

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
    with timed(took, "fresh"):
        _refresh(mode)
    with timed(took, "query"):
        query = understand(text, KEYWORDS.current().words)
    vector = None if mode is Mode.KEYWORD else _meant(query, took)
    exact = _exact(text)
    legs = ranked(query, vector, mode, depth, took)
    with timed(took, "topics"):
        lifted, nearest = topics(vector, lift=mode is Mode.HYBRID)
    hits = fuse(legs, exact, lifted)
    with timed(took, "answerable"):
        evident = evidence(query, vector, legs, nearest)
    within = hits
    if papers.query.where:
        within = _within(hits, papers)
        if any(len(leg.found) >= depth for leg in legs.values()):
            # A leg was cut, so what the filter wants may lie behind the cut.
            allowed = _allowed(papers)
            legs = ranked(query, vector, mode, depth, took, allowed)
            within = fuse(legs, exact if exact in set(allowed.tolist()) else None, lifted)
    return Ranking(within, took, query, hits.papers, evident, exact is not None, vector)


@dataclass
class Beside:
    """The risks and mitigations that a query names or means, and the topics nearest to it."""

    risks: list[Term] = field(default_factory=list)
    mitigations: list[Term] = field(default_factory=list)
    nearest: list[Term] = field(default_factory=list)


def beside(ranking: Ranking) -> Beside:
    """What to show beside the papers; ``nearest`` has topics however far they are."""
    from ._terms import TERMS, best

    if ranking.query is None:
        return Beside()
    with timed(ranking.took_ms, "beside"):
        terms, scores = TERMS.find(ranking.query.text, ranking.vector)
        return Beside(
            best(terms, scores, "risk", BESIDE, BESIDE_MOST),
            best(terms, scores, "mitigation", BESIDE, BESIDE_MOST),
            best(terms, scores, "risk", 1e-6, BESIDE_MOST),
        )


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
    forms = KEYWORDS.current().words.forms(wanted)
    texts = {paper.pk: "\n".join([paper.tldr, paper.summary, paper.abstract]) for paper in papers}
    return {pk: passage(text, wanted, forms) for pk, text in texts.items()}


def warm() -> None:
    """Load the model and both legs now, and not at somebody's first search."""
    from ._embedder import embedder
    from ._index import PAPERS
    from ._keyword import KEYWORDS
    from ._terms import TERMS

    vector = embedder().encode(["warm"])[0]
    KEYWORDS.fresh()
    PAPERS.search(vector, 1)
    TERMS.find("warm", vector)


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


def encode(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of texts, shape (len(texts), dimension); raises EmbedderError."""
    from ._embedder import embedder

    return embedder().encode(list(texts))


def nearest(vector: np.ndarray, limit: int) -> Found:
    """(paper id, cosine similarity) of the papers nearest to a vector."""
    from ._index import PAPERS

    return PAPERS.search(vector, limit)


def packed(vector: np.ndarray) -> bytes:
    """A vector as it is stored."""
    from ._vectors import STORED

    return vector.astype(STORED).tobytes()


def store_packed(vectors: dict[Paper, bytes]) -> None:
    """Keep vectors that were made of these papers' present texts."""
    from ._vectors import decode, store, text_digest

    if vectors:
        digests = {paper.pk: text_digest(paper.text) for paper in vectors}
        store(digests, decode(list(vectors.values())))


def placements(ask: bool = True) -> Table:
    """Which paper is placed where; without ``ask``, as the last ranking saw it."""
    from ._placed import PLACEMENTS

    return PLACEMENTS.table(ask)


def taxonomy_version(ask: bool = True) -> str:
    """What changes whenever a stage, category, risk or mitigation does."""
    from ._terms import TERMS

    return TERMS.version(ask)


def risk_vectors(slugs: list[str]) -> tuple[list[str], np.ndarray]:
    """(texts, their unit vectors of shape (len(slugs), dimension)) of active risks."""
    from ._terms import TERMS

    vectors = TERMS.vectors()
    row = TERMS.rows("risk")
    places = [row[slug] for slug in slugs]
    texts = TERMS.texts()
    return [texts[place] for place in places], vectors[places]


def ship() -> int:
    """Write the vectors of the present texts to the fixtures; return how many."""
    from ._terms import TERMS
    from ._vectors import write_shipped

    return write_shipped((TERMS.texts(), TERMS.vectors()))


def status() -> dict[str, Any]:
    """What is searchable: the model, vectors stored, papers without one."""
    from ._index import State
    from ._vectors import stale

    state = State.now()
    return {"model": state.model, "vectors": state.rows, "stale": len(stale())}


def _refresh(mode: Mode) -> None:
    """Bring all that a ranking looks at up to what PostgreSQL holds; two queries."""
    from ._changes import HUB
    from ._index import PAPERS
    from ._keyword import KEYWORDS
    from ._placed import PLACEMENTS
    from ._terms import TERMS

    HUB.ask()
    KEYWORDS.fresh(ask=False)
    PLACEMENTS.table(ask=False)
    TERMS.refresh()
    if mode is not Mode.KEYWORD:
        PAPERS.refresh(ask=False)


def _meant(query: Query, took: dict[str, float]) -> np.ndarray:
    """The query's vector."""
    from ._embedder import asked, embedder

    if embedder().loading:
        raise EmbedderLoading("The embedding model is still loading: try again in a few seconds.")
    with timed(took, "embedding"):
        return asked(embedder().name, query.meant)


def _within(hits: Hits, papers: QuerySet[Paper]) -> Hits:
    """The hits among ``papers``."""
    named = papers.order_by().filter(pk__among=hits.papers)
    return hits.among(np.array(named.values_list("pk", flat=True), dtype=np.int64))


def _allowed(papers: QuerySet[Paper]) -> Any:
    """The ids of a filtered set as int64, or None where nothing is filtered."""
    if not papers.query.where:
        return None
    return np.fromiter(papers.order_by().values_list("pk", flat=True), dtype=np.int64)


def _exact(text: str) -> int | None:
    """The paper that the text names by identifier or whole title."""
    from ._keyword import KEYWORDS, plain_title

    if named := identifier(text):
        return Paper.objects.filter(**named).values_list("pk", flat=True).first()
    return KEYWORDS.current().titles.get(plain_title(text))
