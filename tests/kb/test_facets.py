"""Facets: each counts what its link shows, whatever else is asked, and follows every change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kb import search
from kb.filters import PaperFilter
from kb.models import Paper, Placement
from kb.queries.facets import facets
from taxonomy.models import Category, Risk

pytestmark = pytest.mark.django_db

ASKED: list[dict[str, list[str]]] = [
    {},
    {"stage": ["pre-training"]},
    {"stage": ["deployment", "post-training"], "kind": ["attack"]},
    {"risk": ["rag-poisoning"], "year_from": ["2024"]},
    {"kind": ["survey"], "reviewed": ["true"]},
    {"mitigation": ["smoothllm"]},
]


def narrowed(asked: dict[str, list[str]]) -> PaperFilter:
    filterset = PaperFilter(
        {name: values if len(values) > 1 or name in PaperFilter.PLACED or name == "mitigation"
         else values[0] for name, values in asked.items()},
        queryset=Paper.objects.all(),
    )  # fmt: skip
    assert filterset.is_valid(), filterset.errors
    return filterset


@pytest.mark.parametrize("asked", ASKED, ids=str)
@pytest.mark.parametrize("searched", [False, True])
def test_each_value_counts_what_its_link_shows(asked: dict[str, list[str]], searched: bool) -> None:
    among = np.array(Paper.objects.order_by("key").values_list("pk", flat=True)[:900])
    base = Paper.objects.filter(pk__in=among.tolist()) if searched else Paper.objects.all()
    found = facets(narrowed(asked), among if searched else None)
    assert [facet.name for facet in found] == ["stage", "kind", "risk", "reviewed"]
    for facet in found:
        for value in facet.values[:4]:
            alone = narrowed(asked | {facet.name: [value.value]})
            assert alone.narrow(base).count() == value.count, (facet.name, value)
            assert value.active == (value.value in asked.get(facet.name, []))


def count(name: str, value: str) -> int:
    by_name = {facet.name: facet for facet in facets(narrowed({}))}
    return next((v.count for v in by_name[name].values if v.value == value), 0)


def test_they_follow_a_placement_as_it_is_made_moved_and_taken_away() -> None:
    before, surveys = count("stage", "commercialization"), count("kind", "survey")
    papers = [Paper.objects.create(key=f"a-paper-{n}", title="A paper", year=2024) for n in (1, 2)]
    made: dict[str, Any] = {"kind": "survey", "origin": "curated"}
    risk = Risk.objects.get(slug="deepfake")
    placed = Placement.objects.create(paper=papers[0], risk=risk, **made)
    assert count("stage", "commercialization") == before + 1
    Placement.objects.filter(pk=placed.pk).update(paper=papers[1])
    assert count("stage", "commercialization") == before + 1
    papers[0].delete()
    assert count("stage", "commercialization") == before + 1
    category = Category.objects.filter(stage__slug="pre-training").first()
    Placement.objects.filter(pk=placed.pk).update(risk=None, category=category)
    assert count("stage", "commercialization") == before
    assert count("kind", "survey") == surveys + 1
    placed.delete()
    assert count("kind", "survey") == surveys


def test_they_follow_who_placed_a_paper() -> None:
    paper = Paper.objects.create(key="a-paper", title="A paper", year=2024, status="suggested")
    before = count("reviewed", "true")
    Paper.objects.filter(pk=paper.pk).update(status="curated")
    assert count("reviewed", "true") == before + 1


def test_they_follow_a_risk_that_moves_to_another_stage() -> None:
    risk = Risk.objects.get(slug="deepfake")
    papers = risk.placements.values("paper").distinct().count()
    before = count("stage", "pre-training")
    Risk.objects.filter(pk=risk.pk).update(
        category=Category.objects.filter(stage__slug="pre-training").first(), name="Another name"
    )
    assert before < count("stage", "pre-training") <= before + papers
    assert "Another name" in {v.label for v in facets(narrowed({"risk": ["deepfake"]}))[2].values}


def test_the_table_is_read_again_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    from kb.search import _placed

    table = search.placements()
    Paper.objects.create(key="a-paper", title="A paper", year=2024)

    def fails(found: Any) -> Any:
        raise RuntimeError("the connection is gone")

    with monkeypatch.context() as broken:
        broken.setattr(_placed, "_papers", fails)
        with pytest.raises(RuntimeError):
            search.placements()
    assert len(search.placements().papers) == len(table.papers) + 1
