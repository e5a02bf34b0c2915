"""Papers: lists, one paper, facets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, Max, Prefetch, Q, QuerySet, When
from django.db.models.functions import Coalesce

from kb import search
from kb.filters import PaperFilter
from kb.models import Kind, Paper, Placement, Proposal
from taxonomy.models import Risk, Stage

ORDERINGS = {
    "newest": ("-year", "key"),
    "oldest": ("year", "key"),
    "title": ("title", "key"),
}
STAGE = Coalesce("risk__category__stage__slug", "category__stage__slug")
FACET_ROWS = 12


@dataclass(frozen=True)
class FacetValue:
    """One value that a list can be narrowed to, and how many papers would remain."""

    value: str
    label: str
    count: int
    active: bool


@dataclass(frozen=True)
class Facet:
    """A parameter and its values."""

    name: str
    label: str
    values: list[FacetValue]


def papers() -> QuerySet[Paper]:
    """Papers for lists: long texts that a list does not show stay behind."""
    return Paper.objects.defer("search", "abstract").prefetch_related(placements())


def placements() -> Prefetch[str]:
    """Placements with the risk or category they name, curated ones first."""
    found = Placement.objects.select_related("risk", "category", "risk__category").order_by(
        Case(When(origin="curated", then=0), default=1), "pk"
    )
    return Prefetch("placements", queryset=found)


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


def facets(filterset: PaperFilter, base: QuerySet[Paper]) -> list[Facet]:
    """What the list can be narrowed by; each facet is counted without itself."""
    return [
        _placement_facet(filterset, base, "stage", "Stage", STAGE, _stages()),
        _placement_facet(filterset, base, "kind", "Kind", F("kind"), dict(Kind.choices)),
        _placement_facet(filterset, base, "risk", "Risk", F("risk__slug"), _risks()),
        _reviewed_facet(filterset, base),
    ]


def _placement_facet(
    filterset: PaperFilter,
    base: QuerySet[Paper],
    name: str,
    label: str,
    value: Any,
    labels: dict[str, str],
) -> Facet:
    left = filterset.narrow(base, leave_out=name).order_by()
    rows = (
        Placement.objects.filter(filterset.placed(name), paper__in=left.values("pk"))
        .annotate(facet=value)
        .exclude(facet=None)
        .values("facet")
        .annotate(papers=Count("paper", distinct=True))
        .order_by("-papers", "facet")
    )
    active = set(filterset.data.getlist(name)) if hasattr(filterset.data, "getlist") else set()
    values = [
        FacetValue(row["facet"], labels[row["facet"]], row["papers"], row["facet"] in active)
        for row in rows
        if row["facet"] in labels
    ]
    if name == "stage":
        values.sort(key=lambda found: list(labels).index(found.value))
    shown = values[:FACET_ROWS] + [v for v in values[FACET_ROWS:] if v.active]
    return Facet(name, label, shown)


def _reviewed_facet(filterset: PaperFilter, base: QuerySet[Paper]) -> Facet:
    left = filterset.narrow(base, leave_out="reviewed").order_by()
    counts = left.aggregate(
        true=Count("pk", filter=Q(status="curated")),
        false=Count("pk", filter=Q(status="suggested")),
    )
    asked = str(filterset.data.get("reviewed", "")).lower()
    labels = {"true": "placed by a curator", "false": "suggested by rules"}
    values = [FacetValue(k, labels[k], n, asked == k) for k, n in counts.items() if n or asked == k]
    return Facet("reviewed", "Placement", values)


def _stages() -> dict[str, str]:
    return dict(Stage.objects.values_list("slug", "name"))


def _risks() -> dict[str, str]:
    return dict(Risk.objects.values_list("slug", "name"))
