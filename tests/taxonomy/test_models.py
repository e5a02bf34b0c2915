"""What the database itself refuses, and what it remembers."""

from __future__ import annotations

from typing import Any

import pghistory
import pytest
from django.db import IntegrityError, InternalError, transaction
from django.db.utils import ProgrammingError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from kb.models import Paper, Placement
from taxonomy import history
from taxonomy.models import Category, ChangeSet, Mapping, Release, Risk, Stage
from taxonomy.operations import publish_release

pytestmark = pytest.mark.django_db


def refused(work: Any) -> None:
    with pytest.raises((IntegrityError, InternalError, ProgrammingError)), transaction.atomic():
        work()


def test_a_category_cannot_be_moved_under_itself() -> None:
    top = Category.objects.get(number="6")
    low = Category.objects.get(number="6.1.1")
    refused(lambda: Category.objects.filter(pk=top.pk).update(parent=low))
    refused(lambda: Category.objects.filter(pk=top.pk).update(parent=top))


class Moves(TestCase):
    """However nodes are moved, no node is ever its own ancestor."""

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
    @settings(max_examples=25, deadline=None)
    def test_no_series_of_moves_closes_a_circle(self, moves: list[tuple[int, int]]) -> None:
        stage = Stage.objects.get(slug="cross-stage")
        nodes = [
            Category.objects.create(slug=f"n{i}", name=f"n{i}", stage=stage, origin="ours")
            for i in range(6)
        ]
        for child, parent in moves:
            try:
                with transaction.atomic():
                    Category.objects.filter(pk=nodes[child].pk).update(parent=nodes[parent])
            except (IntegrityError, InternalError):
                pass
        above = dict(Category.objects.filter(stage=stage).values_list("pk", "parent_id"))
        for node in nodes:
            at, seen = node.pk, set()
            while at is not None:
                assert at not in seen
                seen.add(at)
                at = above.get(at)


def test_values_outside_of_their_range_are_refused() -> None:
    paper = Paper.objects.get(key="arxiv:2307.15043")
    risk = Risk.objects.get(slug="deepfake")
    refused(lambda: Paper.objects.filter(pk=paper.pk).update(year=3000))
    refused(lambda: Paper.objects.filter(pk=paper.pk).update(key="no such key"))
    refused(lambda: Paper.objects.filter(pk=paper.pk).update(abstract="words without a source"))
    refused(lambda: Placement.objects.create(paper=paper, kind="attack", origin="curated"))
    refused(lambda: Placement.objects.create(paper=paper, risk=risk, kind="x", origin="curated"))
    refused(lambda: Risk.objects.filter(pk=risk.pk).update(definition=""))
    refused(lambda: ChangeSet.objects.create(title="t", state="published"))


def test_a_release_never_changes() -> None:
    release = Release.objects.first()
    assert release is not None
    refused(lambda: Release.objects.filter(pk=release.pk).update(note="other"))
    refused(release.delete)


def test_a_release_is_made_only_where_something_changed() -> None:
    assert publish_release(by=None, note="nothing new") is None
    Risk.objects.filter(slug="deepfake").update(name="Deepfakes")
    release = publish_release(by=None, note="a better name")
    assert release is not None
    assert release.number == Release.objects.order_by("number").first().number + 1  # type: ignore[union-attr]


def test_every_change_is_remembered_with_its_reason() -> None:
    with pghistory.context(reason="clearer"):
        Risk.objects.filter(slug="deepfake").update(name="Deepfakes")
    newest = history.log(what="risk").first()
    assert newest.reason == "clearer"
    assert newest.label == "update"


def test_deleting_is_remembered_too() -> None:
    placed = Placement.objects.first()
    assert placed is not None
    placed.delete()
    assert history.log(what="placement").first().label == "delete"


def test_the_whole_outline_of_the_survey_is_here() -> None:
    numbers = set(Category.objects.exclude(number="").values_list("number", flat=True))
    assert {"1", "2.5.3", "3.1.1", "4.4.1", "5.3.2", "6.2.6", "6.5.7", "7", "8", "9"} <= numbers
    assert Category.objects.filter(origin="survey").count() == 71
    assert Stage.objects.count() == 6
    assert Risk.objects.count() >= 45


def test_mappings_name_the_version_they_were_made_to() -> None:
    assert Mapping.objects.exists()
    for mapping in Mapping.objects.select_related("entry__framework")[:50]:
        assert mapping.framework_version == mapping.entry.framework.version
