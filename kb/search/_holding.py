"""A filter of PostgreSQL's full text search with OR semantics, for browsing with a word.

``websearch_to_tsquery`` asks for every word, which finds almost nothing for a long
question; here any word may match.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.db.models import F, QuerySet, Value

from kb.models import Paper


class OrQuery(SearchQuery):
    """The lexemes of a text, any of which may match; takes every string."""

    def __init__(self, text: str) -> None:
        super().__init__(Value(text), config="english", search_type="plain")

    def as_sql(self, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        """The plain query (which asks for every word) with its ANDs made ORs."""
        sql, params = super().as_sql(*args, **kwargs)
        return f"replace(({sql})::text, ' & ', ' | ')::tsquery", params


def holding(text: str, papers: QuerySet[Paper]) -> QuerySet[Paper]:
    """The papers that hold at least one word of ``text``."""
    return papers.annotate(query=OrQuery(text)).filter(search=F("query"))
