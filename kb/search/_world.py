"""What a ranking looks at: the live index, words, topics and placements, or supposed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kb.models import Placement

from ._index import PaperIndex
from ._keyword import Keywords
from ._terms import Terms

# (paper id, slug and name of the risk it is placed under, origin of the placement).
Placed = tuple[int, str, str, str]


@dataclass(frozen=True)
class World:
    """Everything that decides which papers answer a query, and in which order."""

    papers: PaperIndex
    words: Keywords
    terms: Terms
    placed: Callable[[Iterable[str]], Iterable[Placed]]


def placed_under(risks: Iterable[str]) -> Iterable[Placed]:
    """The live placements under these risks; one query."""
    found = Placement.objects.filter(risk__slug__in=list(risks)).order_by()
    rows: Iterable[Placed] = found.values_list("paper_id", "risk__slug", "risk__name", "origin")
    return rows
