"""Papers: lists and one paper."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Case, F, Max, Prefetch, QuerySet, When

from kb import search
from kb.models import Kind, Paper, Placement, Proposal, Provenance

from .labels import Target, labels

ORDERINGS = {
    "newest": ("-year", "key"),
    "oldest": ("year", "key"),
    "title": ("title", "key"),
}
CURATED_FIRST = Case(When(origin="curated", then=0), default=1)


def papers() -> QuerySet[Paper]:
    """Papers for lists: long texts that a list does not show stay behind."""
    return plain().prefetch_related(placements())


def plain() -> QuerySet[Paper]:
    """The same without their placements."""
    return Paper.objects.defer("search", "abstract")


def placements() -> Prefetch[str]:
    """Placements with the risk or category they name, curated ones first."""
    found = Placement.objects.select_related("risk", "category", "risk__category").order_by(
        CURATED_FIRST, "pk"
    )
    return Prefetch("placements", queryset=found)


@dataclass(frozen=True)
class Shown:
    """A placement as a row of a list shows it; called as the model calls its own."""

    get_kind_display: str
    target: Target
    origin: str


def show_placements(rows: Sequence[Paper]) -> None:
    """Give each paper its ``placed`` from memory, curated ones first.

    Facets or a ranking have just brought that up to date.
    """
    table, known = search.placements(ask=False), labels(search.taxonomy_version(ask=False))
    held = table.rows[np.isin(table.rows["paper"], [row.pk for row in rows])]
    held = held[np.lexsort((held["pk"], -held["curated"]))]
    found = defaultdict[int, list[Shown]](list)
    for _, paper, risk, category, kind, curated in held.tolist():
        if target := known.risk.get(risk) or known.category.get(category):
            origin = Provenance.CURATED if curated else Provenance.SUGGESTED
            found[paper].append(Shown(Kind.labels[kind], target, origin.value))
    for row in rows:
        row.placed = found[row.pk]  # type: ignore[attr-defined]


def with_words(found: QuerySet[Paper], text: str) -> QuerySet[Paper]:
    """The papers that hold at least one word of ``text``, in the set's own order."""
    return search.with_words(found, text)


def paper(key: str) -> Paper | None:
    """One paper by its key, with everything its page shows; None where there is none."""
    proposals = Prefetch("proposals", Proposal.objects.select_related("mitigation"))
    found = Paper.objects.defer("search").prefetch_related(placements(), proposals)
    return found.filter(key=key).first()


def moved_to(key: str) -> Paper | None:
    """The paper that took over an old key."""
    return Paper.objects.filter(redirects__old_key=key).first()


def similar(paper: Paper, limit: int = 8) -> list[Paper]:
    """The papers nearest in meaning, each with its ``similarity`` (cosine)."""
    pairs = dict(search.similar(paper, Paper.objects.all(), limit))
    found = list(papers().filter(pk__in=pairs))
    for near in found:
        near.similarity = pairs[near.pk]  # type: ignore[attr-defined]
    return sorted(found, key=lambda near: -pairs[near.pk])


def latest(ids: list[int], most: int) -> list[Paper]:
    """Of these papers the ``most`` that changed last, each with its ``changed_at``."""
    return latest_of(Paper.objects.filter(pk__in=ids), most)


def latest_of(found: QuerySet[Paper], most: int) -> list[Paper]:
    """Of a set of papers the ``most`` that changed last, each with its ``changed_at``."""
    changed = found.defer("search", "abstract").annotate(changed_at=Max("events__pgh_created_at"))
    return list(changed.order_by(F("changed_at").desc(nulls_last=True), "key")[:most])
