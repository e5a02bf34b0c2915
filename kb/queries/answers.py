"""Search: ranked papers with the reason for each, and the risks and mitigations named so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db.models import F, Func, TextField, Value
from django.db.models.functions import Concat, Upper

from kb import search
from kb.filters import PaperFilter
from kb.models import Paper
from kb.search import Hit, Mode
from taxonomy.models import Mitigation, Risk, Status

from . import papers as paper_queries

NAMED_ALIKE = 0.6


@dataclass
class Answer:
    """What a search found. ``papers`` are in rank order, each with ``hit`` and ``why``."""

    query: str
    mode: Mode
    count: int = 0
    answerable: bool = False
    papers: list[Paper] = field(default_factory=list)
    facets: list[paper_queries.Facet] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    mitigations: list[Mitigation] = field(default_factory=list)
    took_ms: dict[str, float] = field(default_factory=dict)


def answer(
    text: str,
    filterset: PaperFilter,
    mode: Mode = Mode.HYBRID,
    limit: int = 20,
    offset: int = 0,
) -> Answer:
    """The papers that answer ``text`` within the filter; ``limit`` of them as rows."""
    ranking = search.rank(text, filterset.qs, mode)
    found = Answer(search.clean(text), mode, count=len(ranking.hits), took_ms=ranking.took_ms)
    found.answerable = ranking.answerable
    found.papers = _rows(ranking.hits[offset : offset + limit], ranking.query)
    matching = Paper.objects.filter(pk__in=ranking.everywhere)
    found.facets = paper_queries.facets(filterset, matching)
    found.risks, found.mitigations = named(found.query)
    return found


def _rows(hits: list[Hit], query: search.Query | None) -> list[Paper]:
    """Papers in rank order, each with its hit and the words that matched."""
    by_id = {hit.paper_id: hit for hit in hits}
    if query is None or not by_id:
        return []
    rows = list(paper_queries.papers().defer(None).defer("search").filter(pk__in=by_id))
    whys = search.why(query, rows)
    for row in rows:
        row.hit = by_id[row.pk]  # type: ignore[attr-defined]
        row.why = whys.get(row.pk, [])  # type: ignore[attr-defined]
    order = {pk: place for place, pk in enumerate(by_id)}
    return sorted(rows, key=lambda row: order[row.pk])


def named(text: str, limit: int = 4) -> tuple[list[Risk], list[Mitigation]]:
    """Risks and mitigations whose name (or alias) is spelt like the query."""
    if len(text) < 3:
        return [], []
    aliases = Func(F("aliases"), Value(" "), function="array_to_string", output_field=TextField())
    risks = _alike(Risk, text, Concat("name", Value(" "), aliases, output_field=TextField()), limit)
    return risks, _alike(Mitigation, text, F("name"), limit)


def _alike(model: Any, text: str, names: Any, limit: int) -> list[Any]:
    alike = TrigramWordSimilarity(text[:200].upper(), Upper(names))
    found = model.objects.filter(status=Status.ACTIVE).annotate(alike=alike)
    return list(found.filter(alike__gte=NAMED_ALIKE).order_by("-alike", "name")[:limit])
