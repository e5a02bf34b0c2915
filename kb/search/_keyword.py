"""The keyword leg: PostgreSQL full text with OR semantics, and trigrams for typos.

``websearch_to_tsquery`` asks for every word, which finds almost nothing for a long
question; here any word may match and the rank rewards the ones that match together.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.search import SearchHeadline, SearchQuery, TrigramWordSimilarity
from django.db.models import F, FloatField, Func, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, NullIf, Upper

from kb.models import Paper

# ts_rank_cd's second argument: divide by 1 + log(length), so that long abstracts do not win.
NORMALISE_LENGTH = 1
TYPO_SIMILARITY = 0.5
FEW = 3


class OrQuery(SearchQuery):
    """The lexemes of a text, any of which may match; takes every string."""

    def __init__(self, text: str) -> None:
        super().__init__(Value(text), config="english", search_type="plain")

    def as_sql(self, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        """The plain query (which asks for every word) with its ANDs made ORs."""
        sql, params = super().as_sql(*args, **kwargs)
        return f"replace(({sql})::text, ' & ', ' | ')::tsquery", params


def matches(text: str, papers: QuerySet[Paper], limit: int) -> list[tuple[int, float]]:
    """(paper id, rank) of the papers that share words with ``text``, best first.

    Where hardly any does, titles spelt alike are added.
    """
    found = list(
        holding(text, papers)
        .annotate(rank=_rank())
        .order_by("-rank", "pk")
        .values_list("pk", "rank")[:limit]
    )
    if len(found) < FEW:
        known = {pk for pk, _ in found}
        found += [pair for pair in _spelt_alike(text, papers, limit) if pair[0] not in known]
    return found


def holding(text: str, papers: QuerySet[Paper]) -> QuerySet[Paper]:
    """The papers that hold at least one word of ``text``."""
    return papers.annotate(query=OrQuery(text)).filter(search=F("query"))


def _rank() -> Func:
    return Func(
        Value("{0.1, 0.3, 0.6, 1.0}", output_field=TextField()),
        F("search"),
        F("query"),
        Value(NORMALISE_LENGTH),
        template="ts_rank_cd(%(expressions)s)",
        output_field=FloatField(),
    )


def _spelt_alike(text: str, papers: QuerySet[Paper], limit: int) -> list[tuple[int, float]]:
    return list(
        papers.annotate(alike=TrigramWordSimilarity(text.upper(), Upper("title")))
        .filter(alike__gte=TYPO_SIMILARITY)
        .order_by("-alike", "pk")
        .values_list("pk", "alike")[:limit]
    )


def headlines(text: str, papers: QuerySet[Paper]) -> dict[int, str]:
    """{paper id: the sentence part that matched}, matched words between \\x02 and \\x03."""
    return dict(
        papers.annotate(
            why=SearchHeadline(
                Coalesce(NullIf("abstract", Value("")), "summary"),
                OrQuery(text),
                config="english",
                start_sel="\x02",
                stop_sel="\x03",
                max_words=28,
                min_words=12,
            )
        ).values_list("pk", "why")
    )
