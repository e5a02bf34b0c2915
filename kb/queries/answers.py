"""Search: ranked papers with the reason for each, and the risks and mitigations beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kb import search
from kb.filters import PaperFilter
from kb.models import Paper
from kb.search import Beside, Hit, Mode

from . import papers
from .facets import Facet, facets

# What a row shows or is explained by; the many other columns of a paper take time to read.
SHOWN = ("key", "title", "authors", "year", "venue", "tldr", "summary", "abstract")


@dataclass
class Answer:
    """What a search found. ``papers`` are in rank order, each with ``hit`` and ``why``."""

    query: str
    mode: Mode
    count: int = 0
    answerable: bool = False
    papers: list[Paper] = field(default_factory=list)
    facets: list[Facet] = field(default_factory=list)
    beside: Beside = field(default_factory=Beside)
    took_ms: dict[str, float] = field(default_factory=dict)


def answer(
    text: str,
    filterset: PaperFilter,
    mode: Mode = Mode.HYBRID,
    limit: int = 20,
    offset: int = 0,
    placed: bool = True,
) -> Answer:
    """The papers that answer ``text`` within the filter; ``limit`` of them as rows.

    Rows come with their placements, unless ``placed`` is false.
    """
    ranking = search.rank(text, filterset.qs, mode)
    found = Answer(search.clean(text), mode, count=len(ranking.hits), took_ms=ranking.took_ms)
    found.answerable = ranking.answerable
    found.papers = _rows(ranking.hits[offset : offset + limit], ranking.query, placed)
    found.beside = search.beside(ranking)
    found.facets = facets(filterset, ranking.everywhere)
    return found


def _rows(hits: Sequence[Hit], query: search.Query | None, placed: bool) -> list[Paper]:
    """Papers in rank order, each with its hit and the words that matched."""
    by_id = {hit.paper_id: hit for hit in hits}
    if query is None or not by_id:
        return []
    rows = list(Paper.objects.only(*SHOWN).filter(pk__among=list(by_id)))
    if placed:
        papers.show_placements(rows)
    whys = search.why(query, rows)
    for row in rows:
        row.hit = by_id[row.pk]  # type: ignore[attr-defined]
        row.why = whys.get(row.pk, [])  # type: ignore[attr-defined]
    order = {pk: place for place, pk in enumerate(by_id)}
    return sorted(rows, key=lambda row: order[row.pk])


def matching(text: str, filterset: PaperFilter, mode: Mode = Mode.HYBRID) -> list[Paper]:
    """Every paper that answers ``text`` within the filter, in rank order."""
    ranking = search.rank(text, filterset.qs, mode)
    rows = papers.papers().in_bulk([hit.paper_id for hit in ranking.hits])
    return [rows[hit.paper_id] for hit in ranking.hits if hit.paper_id in rows]
