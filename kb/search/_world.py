"""What a ranking looks at: the live index, words, topics and placements, or supposed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import QuerySet

from kb.models import Placement

from ._index import PaperIndex
from ._keyword import Keywords
from ._placed import PLACEMENTS
from ._terms import TERMS, Terms

# (paper ids, slug and name of the risk they are placed under, origin of these placements).
Placed = tuple[Sequence[int] | np.ndarray, str, str, str]


@dataclass(frozen=True)
class World:
    """Everything that decides which papers answer a query, and in which order."""

    papers: PaperIndex
    words: Keywords
    terms: Terms
    placed: Callable[[Iterable[str]], Iterable[Placed]]


def placed_under(risks: Iterable[str]) -> Iterable[Placed]:
    """The live placements under these risks; whoever asks has brought them up to date."""
    table, named = PLACEMENTS.table(ask=False), TERMS.risks()
    return [
        (held, slug, named[slug].name, origin)
        for slug in risks
        if slug in named
        for origin, held in table.under(named[slug].pk).items()
    ]


def grouped(placements: QuerySet[Placement]) -> Iterable[Placed]:
    """Placements under risks, gathered by risk and origin."""
    rows = placements.order_by().values_list("risk__slug", "risk__name", "origin")
    return [
        (held, slug, name, origin)
        for slug, name, origin, held in rows.annotate(held=ArrayAgg("paper_id"))
    ]
