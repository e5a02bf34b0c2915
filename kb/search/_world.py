"""What a ranking looks at: the live index, words, topics and placements, or supposed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import QuerySet

from kb.models import Placement

from ._index import PaperIndex
from ._keyword import Keywords
from ._terms import Terms

# (paper ids, slug and name of the risk they are placed under, origin of these placements).
Placed = tuple[list[int], str, str, str]


@dataclass(frozen=True)
class World:
    """Everything that decides which papers answer a query, and in which order."""

    papers: PaperIndex
    words: Keywords
    terms: Terms
    placed: Callable[[Iterable[str]], Iterable[Placed]]


def placed_under(risks: Iterable[str]) -> Iterable[Placed]:
    """The live placements under these risks; one query."""
    return grouped(Placement.objects.filter(risk__slug__in=list(risks)))


def grouped(placements: QuerySet[Placement]) -> Iterable[Placed]:
    """Placements under risks, gathered by risk and origin."""
    rows = placements.order_by().values_list("risk__slug", "risk__name", "origin")
    return [
        (held, slug, name, origin)
        for slug, name, origin, held in rows.annotate(held=ArrayAgg("paper_id"))
    ]
