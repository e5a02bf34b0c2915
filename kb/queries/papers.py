"""Papers: lists, one paper, facets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Case, Count, F, Max, Prefetch, Q, QuerySet, When

from kb import search
from kb.filters import PaperFilter
from kb.models import Kind, Paper, Placement, Proposal
from taxonomy.models import Risk, Stage

ORDERINGS = {
    "newest": ("-year", "key"),
    "oldest": ("year", "key"),
    "title": ("title", "key"),
}
CURATED_FIRST = Case(When(origin="curated", then=0), default=1)
FACET_ROWS = 12
Names = tuple[str, str, str]  # stage, kind and risk of a placement


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
        CURATED_FIRST, "pk"
    )
    return Prefetch("placements", queryset=found)


def shown_placements() -> Prefetch[str]:
    """Placements with just what a row of a list says of them, curated ones first."""
    shown = [
        f"{target}__{column}" for target in ("risk", "category") for column in ("slug", "name")
    ]
    found = Placement.objects.select_related("risk", "category").only(
        "paper_id", "kind", "origin", "category__number", *shown
    )
    return Prefetch("placements", queryset=found.order_by(CURATED_FIRST, "pk"))


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
    counted = _Counted(filterset, base)
    stages, kinds = dict(Stage.objects.values_list("slug", "name")), dict(Kind.choices)
    return [
        Facet("stage", "Stage", counted.values("stage", stages, in_order=True)),
        Facet("kind", "Kind", counted.values("kind", kinds)),
        Facet("risk", "Risk", counted.values("risk", counted.risks)),
        _reviewed_facet(filterset, base),
    ]


class _Counted:
    """Papers counted by stage, kind and risk: one query serves all facets not asked for."""

    COLUMNS = ("stage", "kind", "risk")

    def __init__(self, filterset: PaperFilter, base: QuerySet[Paper]) -> None:
        self.filterset, self.base = filterset, base
        risks = Risk.objects.values_list("pk", "slug", "name", "category__stage__slug")
        self._risks = {pk: (slug, name, stage) for pk, slug, name, stage in risks}
        self._groups: dict[str, list[tuple[Names, list[int]]]] = {}

    @property
    def risks(self) -> dict[str, str]:
        """{slug: name} of all risks."""
        return {slug: name for slug, name, _ in self._risks.values()}

    def values(self, name: str, labels: dict[str, str], in_order: bool = False) -> list[FacetValue]:
        """The values of one facet, the most frequent first or in the order of ``labels``."""
        data = self.filterset.data
        active = set(data.getlist(name) if hasattr(data, "getlist") else data.get(name, ()))
        papers = defaultdict[str, set[int]](set)
        for names, held in self._grouped(name if active else ""):
            papers[names[self.COLUMNS.index(name)]].update(held)
        found = [
            FacetValue(value, labels[value], len(found), value in active)
            for value, found in papers.items()
            if value in labels
        ]
        order = list(labels) if in_order else []
        found.sort(key=lambda v: order.index(v.value) if in_order else (-v.count, v.value))
        return found[:FACET_ROWS] + [v for v in found[FACET_ROWS:] if v.active]

    def _grouped(self, leave_out: str) -> list[tuple[Names, list[int]]]:
        """((stage, kind, risk), ids of papers) of what the filter without one facet leaves.

        Grouped by keys alone, which costs half of what grouping by joined names does.
        """
        if leave_out not in self._groups:
            left = self.filterset.narrow(self.base, leave_out).order_by()
            placed = Placement.objects.filter(self.filterset.placed(leave_out)).order_by()
            if left.query.where:
                placed = placed.filter(paper__in=left.values("pk"))
            columns = placed.values_list("category__stage__slug", "kind", "risk_id")
            rows = columns.annotate(held=ArrayAgg("paper_id"))
            self._groups[leave_out] = [(self._named(*place), held) for *place, held in rows]
        return self._groups[leave_out]

    def _named(self, stage: str | None, kind: str, risk: int | None) -> Names:
        slug, _, below = self._risks.get(risk or 0, ("", "", stage or ""))
        return below, kind, slug


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
