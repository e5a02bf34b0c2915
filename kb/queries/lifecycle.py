"""The map: home, stages, categories, risks, directions, frameworks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, F, Prefetch, Q, QuerySet
from django.db.models.functions import Coalesce

from evals import queries as evals
from kb import evidence
from kb.models import Embedding, Kind, Paper, Placement
from taxonomy.models import (
    Category,
    Direction,
    Framework,
    FrameworkEntry,
    Mapping,
    Mitigation,
    Risk,
    RiskMitigation,
    Stage,
    Status,
)

from . import coverage
from .papers import papers

HERE = Coalesce("risk__category__stage__slug", "category__stage__slug")
TOP_PAPERS = 12


@dataclass
class MatrixRow:
    """One stage of the home page: its papers by kind and its risks."""

    stage: Stage
    cells: list[tuple[str, int]]
    papers: int
    risks: int
    mitigations: int
    measured: dict[str, int]


@dataclass
class Home:
    """What the home page shows."""

    kinds: list[tuple[str, str]]
    rows: list[MatrixRow]
    totals: dict[str, int] = field(default_factory=dict)


def home() -> Home:
    """The stage by kind matrix: distinct papers in each cell. Four queries or so."""
    counts = _cell_counts()
    per_stage = dict(
        Placement.objects.annotate(stage=HERE)
        .values_list("stage")
        .annotate(n=Count("paper", distinct=True))
    )
    measured = coverage.by_stage()
    of_stage = {row["slug"]: row for row in measured["stages"]}
    rows = [
        MatrixRow(
            stage,
            [(kind, counts[stage.slug, kind]) for kind in Kind.values],
            per_stage.get(stage.slug, 0),
            stage.risk_count,  # type: ignore[attr-defined]
            stage.mitigation_count,  # type: ignore[attr-defined]
            of_stage[stage.slug],
        )
        for stage in stages()
    ]
    return Home(list(Kind.choices), rows, {**totals(), **measured["totals"]})


def _cell_counts() -> dict[tuple[str, str], int]:
    found = (
        Placement.objects.annotate(stage=HERE)
        .values("stage", "kind")
        .annotate(n=Count("paper", distinct=True))
    )
    return defaultdict(int, {(row["stage"], row["kind"]): row["n"] for row in found})


def stages() -> QuerySet[Stage]:
    """Stages in order, each with ``risk_count`` and ``mitigation_count``."""
    active = Q(categories__risks__status=Status.ACTIVE)
    return Stage.objects.annotate(
        risk_count=Count("categories__risks", filter=active, distinct=True),
        mitigation_count=Count(
            "mitigations", filter=Q(mitigations__status=Status.ACTIVE), distinct=True
        ),
    )


def totals() -> dict[str, int]:
    """How much the knowledge base holds."""
    return {
        "papers": Paper.objects.count(),
        "curated": Paper.objects.filter(status="curated").count(),
        "risks": Risk.objects.filter(status=Status.ACTIVE).count(),
        "mitigations": Mitigation.objects.filter(status=Status.ACTIVE).count(),
        "runnable": Mitigation.objects.exclude(engine_key="").count(),
        "searchable": Embedding.objects.values("paper").distinct().count(),
    }


def risks() -> QuerySet[Risk]:
    """Active risks with ``paper_count``, ``answer_count`` and ``runnable_count``."""
    return (
        Risk.objects.filter(status=Status.ACTIVE)
        .select_related("category__stage")
        .annotate(
            paper_count=Count("placements__paper", distinct=True),
            answer_count=Count("answers", distinct=True),
            runnable_count=Count(
                "answers", filter=~Q(answers__mitigation__engine_key=""), distinct=True
            ),
        )
    )


@dataclass
class Node:
    """A category with its depth, its risks and the papers placed straight under it."""

    category: Category
    depth: int
    risks: list[Risk]
    papers: int


def stage_page(slug: str) -> dict[str, Any] | None:
    """A stage, its outline with risks, and its papers by kind; None where there is none."""
    stage = stages().filter(slug=slug).first()
    if stage is None:
        return None
    counts = _cell_counts()
    cells = [(kind, label, counts[slug, kind]) for kind, label in Kind.choices]
    return {"stage": stage, "outline": outline(stage), "cells": cells, "stages": list(stages())}


def outline(stage: Stage) -> list[Node]:
    """The categories of a stage in reading order, depth first."""
    tree = (
        Category.objects.with_tree_fields()
        .filter(stage=stage, status=Status.ACTIVE)
        .annotate(here=Count("placements__paper", distinct=True))
    )
    by_category = defaultdict(list)
    for risk in risks().filter(category__stage=stage):
        by_category[risk.category_id].append(risk)
    return [Node(node, node.tree_depth, by_category[node.pk], node.here) for node in tree]


def category_page(slug: str) -> dict[str, Any] | None:
    """A category: what is above and below it, its risks and newest papers."""
    node = Category.objects.select_related("stage", "parent").filter(slug=slug).first()
    if node is None:
        return None
    below = list(node.descendants(include_self=True))
    placed = Q(placements__category__in=below) | Q(placements__risk__category__in=below)
    found = papers().filter(placed).distinct()
    return {
        "category": node,
        "above": list(node.ancestors()),
        "children": [
            child for child in below if child.parent_id == node.pk and child.status == Status.ACTIVE
        ],
        "risks": list(risks().filter(category__in=below)),
        "directions": list(Direction.objects.filter(category__in=below, status=Status.ACTIVE)),
        "papers": list(found.order_by("status", "-year", "key")[:TOP_PAPERS]),
        "paper_count": found.count(),
    }


def risk(slug: str) -> Risk | None:
    """One risk, retired ones too, with its stages."""
    found = Risk.objects.select_related("category__stage", "merged_into").prefetch_related("stages")
    return found.filter(slug=slug).first()


class Merged(Exception):
    """A risk whose address leads to the one it was merged into."""

    def __init__(self, heir: Risk) -> None:
        super().__init__(f"merged into {heir.slug}")
        self.heir = heir


def risk_page(slug: str) -> dict[str, Any] | None:
    """A risk: definition, mitigations with their evidence, papers by kind, mappings.

    Raises Merged where another risk has taken it over.
    """
    found = risk(slug)
    if found is None:
        return None
    if found.merged_into is not None:
        raise Merged(found.heir())
    known = answers(found)
    return {
        "risk": found,
        "running": [answer for answer in known if answer.mitigation.runnable or has_run(answer)],
        "recorded": [
            answer for answer in known if not (answer.mitigation.runnable or has_run(answer))
        ],
        "above": [*found.category.ancestors(), found.category],
        "kinds": kind_counts(found),
        "answers": known,
        "imported": evidence.imported(risk=found.slug),
        "papers": risk_papers(found),
        "mappings": mappings(found),
        "directions": list(found.directions.filter(status=Status.ACTIVE)),
        "neighbours": list(risks().filter(category=found.category_id).exclude(pk=found.pk)),
    }


def kind_counts(risk: Risk) -> list[tuple[str, str, int]]:
    """(kind, label, papers) under a risk, in the matrix's order."""
    counts = dict(risk.placements.values_list("kind").annotate(n=Count("paper", distinct=True)))
    return [(kind, label, counts.get(kind, 0)) for kind, label in Kind.choices]


def risk_papers(risk: Risk, limit: int = TOP_PAPERS) -> list[Paper]:
    """The papers of a risk, curated ones first, then the most listed and newest."""
    found = papers().filter(placements__risk=risk).annotate(role=F("placements__kind"))
    return list(found.order_by("status", "-lists__length", "-year", "key")[:limit])


def answers(risk: Risk) -> list[RiskMitigation]:
    """The mitigations that answer a risk, each with its ``evidence``; the best first."""
    found = risk.answers.filter(mitigation__status=Status.ACTIVE).select_related("mitigation")
    return evidence.attach(found, evals.latest_runs(risk=risk.slug), risk.slug)


def has_run(answer: RiskMitigation) -> bool:
    """Whether a finished run stands behind an answer that ``answers`` gave."""
    return answer.latest_run is not None  # type: ignore[attr-defined]


def mappings(risk: Risk) -> list[Mapping]:
    """The framework entries a risk is mapped to, by framework."""
    found = risk.mappings.select_related("entry__framework")
    return list(found.order_by("entry__framework__name", "entry__ident"))


def frameworks() -> QuerySet[Framework]:
    """Frameworks with ``entry_count``, ``mapped_count`` and ``stale_count`` (of mappings)."""
    old = ~Q(entries__mappings__framework_version=F("version"))
    return Framework.objects.annotate(
        entry_count=Count("entries", distinct=True),
        mapped_count=Count("entries", filter=Q(entries__mappings__isnull=False), distinct=True),
        stale_count=Count(
            "entries__mappings", filter=Q(entries__mappings__isnull=False) & old, distinct=True
        ),
    )


def _covered(entries: list[FrameworkEntry]) -> list[dict[str, Any]]:
    """For each kind of entry how many there are, and how many have a counterpart here."""
    kinds: dict[str, dict[str, Any]] = {}
    for entry in entries:
        row = kinds.setdefault(entry.kind, {"kind": entry.kind, "entries": 0, "mapped": 0})
        row["entries"] += 1
        row["mapped"] += bool(entry.mappings.all())
    return list(kinds.values())


def framework_page(slug: str) -> dict[str, Any] | None:
    """A framework's entries, each with the risks mapped to it."""
    found = frameworks().filter(slug=slug).first()
    if found is None:
        return None
    related = Prefetch("mappings", Mapping.objects.select_related("risk", "entry__framework"))
    given = FrameworkEntry.objects.filter(framework=found).prefetch_related(related)
    entries = list(given.order_by("kind", "ident"))
    return {"framework": found, "entries": entries, "kinds": _covered(entries)}


def direction(slug: str) -> Direction | None:
    """One research direction, retired ones too."""
    return Direction.objects.select_related("category__stage").filter(slug=slug).first()


def direction_page(slug: str) -> dict[str, Any] | None:
    """A research direction with its risks, open questions and newest papers."""
    found = direction(slug)
    if found is None:
        return None
    listed = list(risks().filter(directions=found))
    recent = papers().filter(placements__risk__in=listed, status="curated").distinct()
    return {
        "direction": found,
        "risks": listed,
        "papers": list(recent.order_by("-year", "key")[:TOP_PAPERS]),
        "paper_count": recent.count(),
    }


def directions() -> QuerySet[Direction]:
    """The active research directions in order, each with ``risk_count``."""
    found = Direction.objects.filter(status=Status.ACTIVE).select_related("category")
    return found.annotate(risk_count=Count("risks"))
