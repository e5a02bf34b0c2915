"""Edits one by one: what they write, what they refuse, and that they can be undone."""

from __future__ import annotations

from typing import Any

import pytest

from kb.models import Paper, Placement
from taxonomy.models import Category, ChangeSet, Mapping, Risk
from taxonomy.operations import (
    Action,
    Conflict,
    Invalid,
    Missing,
    NotAllowed,
    Result,
    RevertConflict,
    perform,
)
from taxonomy.operations.revert import revert
from tests.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Any:
    return person("ada")


def do(
    by: Any, op: str, kind: str, key: str = "", version: int | None = 1, **fields: Any
) -> Result:
    return perform(action=Action(op, kind, key, fields, version), by=by, note="test")


def papers_of(slug: str) -> set[str]:
    return set(Placement.objects.filter(risk__slug=slug).values_list("paper__key", flat=True))


def undo(result: Result, by: Any, **more: Any) -> Result:
    assert result.changeset is not None
    return revert(changeset=result.changeset, by=by, note="undone", **more)


def test_an_edit_bumps_the_version_and_says_what_it_was(ada: Any) -> None:
    result = do(ada, "edit", "risk", "deepfake", name="Deepfakes", aliases=["face swap"])
    risk = Risk.objects.get(slug="deepfake")
    assert (risk.name, risk.aliases, risk.version) == ("Deepfakes", ["face swap"], 2)
    change = result.changes[0]
    assert change.before["name"] != change.after["name"] == "Deepfakes"
    event = risk.events.order_by("-pgh_id").first()  # type: ignore[attr-defined]
    assert event.pgh_context.metadata == {
        "user": ada.pk,
        "reason": "test",
        "changeset": result.changeset.pk,  # type: ignore[union-attr]
    }


def test_a_stale_version_carries_both_texts(ada: Any) -> None:
    old = Risk.objects.get(slug="deepfake").definition
    do(ada, "edit", "risk", "deepfake", definition="Theirs.")
    with pytest.raises(Conflict) as caught:
        do(ada, "edit", "risk", "deepfake", definition="Mine.")
    clash = caught.value.fields[0]
    assert (clash.base, clash.theirs, clash.yours) == (old, "Theirs.", "Mine.")
    assert Risk.objects.get(slug="deepfake").definition == "Theirs."


def test_a_dry_run_counts_and_writes_nothing(ada: Any) -> None:
    before = papers_of("deepfake")
    fields = {"select": {"risk": "deepfake"}, "set": {"risk": "rag-poisoning"}}
    action = Action("bulk", "placement", "", fields)
    result = perform(action=action, by=ada, note="", dry_run=True)
    counted = {count.key: (count.before, count.after) for count in result.counts}
    assert counted["deepfake"] == (len(before), 0)
    assert counted["rag-poisoning"][1] > counted["rag-poisoning"][0]
    assert papers_of("deepfake") == before
    assert not ChangeSet.objects.filter(direct=True).exists()


def test_moving_a_category_takes_its_stage_along_and_comes_back(ada: Any) -> None:
    node = Category.objects.get(slug="2-5-roadmap-perspective")
    places = list(Category.objects.order_by("pk").values_list("pk", "parent", "stage", "position"))
    target = "6-1-deployment-safety"
    result = do(ada, "move", "category", node.slug, node.version, parent=target)
    node.refresh_from_db()
    assert node.parent is not None
    assert node.parent.slug == target
    assert {n.stage.slug for n in node.descendants(include_self=True)} == {"deployment"}
    undo(result, ada)
    now = Category.objects.order_by("pk").values_list("pk", "parent", "stage", "position")
    assert list(now) == places


def test_a_category_moves_before_a_sibling(ada: Any) -> None:
    before = "2-1-pretraining-data-safety"
    do(ada, "move", "category", "2-5-roadmap-perspective", before=before)
    siblings = Category.objects.filter(parent__slug="2-data-safety").values_list("slug", flat=True)
    assert list(siblings)[:2] == ["2-5-roadmap-perspective", before]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (Action("move", "category", "6-llm-agent-safety", {"parent": "x"}, 1), "No category"),
        (Action("merge", "risk", "deepfake", {"into": "deepfake"}, 1), "itself"),
        (Action("edit", "risk", "deepfake", {"name": "x"}, None), "version"),
        (Action("edit", "risk", "deepfake", {"slug": "x"}, 1), "Not a field"),
        (Action("edit", "risk", "deepfake", {"definition": ""}, 1), "blank"),
        (Action("edit", "risk", "deepfake", {"definition": 5}, 1), "text"),
        (Action("edit", "risk", "deepfake", {"definition": "a\0b"}, 1), "NUL"),
        (Action("edit", "risk", "deepfake", {"stages": []}, 1), "at least one"),
        (Action("edit", "risk", "deepfake", {"category": "deep"}, 1), "No category"),
        (Action("edit", "risk", "deepfakes", {"name": "x"}, 1), "'deepfake'"),
        (Action("edit", "moon", "x", {"name": "x"}, 1), "no kind"),
        (Action("polish", "risk", "deepfake", {}, 1), "No operation"),
        (Action("delete", "risk", "deepfake", {}, 1), "retire"),
        (Action("create", "risk", "", {"slug": "new"}), "needed"),
        (Action("create", "direction", "", {"slug": "new"}), "needed"),
        (Action("bulk", "placement", "", {"select": {}, "set": {"kind": "x"}}), "Say which"),
        (Action("bulk", "placement", "", {"select": {"ids": ["x"]}, "remove": True}), "name no"),
        (Action("bulk", "placement", "", {"select": {"ids": [2**70]}, "remove": True}), "name no"),
        (Action("bulk", "risk", "", {}), "Only placements"),
        (Action("split", "risk", "deepfake", {"new": 5}, 1), "Say new"),
        (Action("revert", "changeset", "999", {"items": "x"}), "positions"),
    ],
)
def test_what_cannot_be_is_said_in_words(ada: Any, action: Action, said: str) -> None:
    with pytest.raises((Invalid, Missing)) as caught:
        perform(action=action, by=ada, note="test")
    assert said in str(caught.value)
    assert not ChangeSet.objects.filter(direct=True).exists()


def test_a_category_cannot_be_moved_under_what_is_under_it(ada: Any) -> None:
    top, low = Category.objects.get(number="6"), Category.objects.get(number="6.1.1")
    with pytest.raises(Invalid, match="under itself"):
        do(ada, "move", "category", top.slug, parent=low.slug)


def test_a_merge_redirects_and_its_undoing_survives_a_later_merge(ada: Any) -> None:
    one, two, three = "sycophancy", "deepfake", "rag-poisoning"
    before = {slug: papers_of(slug) for slug in (one, two, three)}
    first = do(ada, "merge", "risk", one, into=two)
    assert papers_of(two) == before[one] | before[two]
    assert not papers_of(one)
    second = do(ada, "merge", "risk", two, 2, into=three)
    assert Risk.objects.get(slug=one).heir().slug == three
    assert "sycophancy" in [a.lower() for a in Risk.objects.get(slug=three).aliases]
    undo(first, ada)
    assert papers_of(one) == before[one]
    assert Risk.objects.get(slug=one).status == "active"
    assert Risk.objects.get(slug=two).heir().slug == three
    with pytest.raises(RevertConflict) as caught:  # the papers went home, and stay there
        undo(second, ada)
    undo(second, ada, choices={stuck.what: "keep" for stuck in caught.value.stuck})
    assert papers_of(one) == before[one]
    assert papers_of(two) == before[two]
    assert papers_of(three) == before[three]


def test_a_merge_lets_fields_be_chosen(ada: Any) -> None:
    text = Risk.objects.get(slug="sycophancy").definition
    chosen = {"definition": text, "aliases": ["flattery"]}
    do(ada, "merge", "risk", "sycophancy", into="deepfake", fields=chosen)
    heir = Risk.objects.get(slug="deepfake")
    assert (heir.definition, heir.aliases) == (text, ["flattery"])


def test_a_split_takes_what_it_is_told_and_comes_back(ada: Any) -> None:
    papers = sorted(papers_of("deepfake"))
    new = {"slug": "voice-cloning", "name": "Voice cloning", "definition": "A voice, copied."}
    result = do(ada, "split", "risk", "deepfake", new=new, take={"papers": papers[:2]})
    assert papers_of("voice-cloning") == set(papers[:2])
    undo(result, ada)
    assert papers_of("deepfake") == set(papers)
    assert Risk.objects.get(slug="voice-cloning").status == "retired"


def test_a_retired_risk_takes_nothing_new_and_can_be_restored(ada: Any) -> None:
    do(ada, "retire", "risk", "sycophancy")
    placed = Placement.objects.filter(risk__slug="deepfake").first()
    assert placed is not None
    with pytest.raises(Invalid, match="retired"):
        do(ada, "edit", "placement", str(placed.pk), risk="sycophancy")
    do(ada, "restore", "risk", "sycophancy", 2)
    assert Risk.objects.get(slug="sycophancy").version == 3


def test_a_full_category_is_not_retired(ada: Any) -> None:
    with pytest.raises(Invalid, match="Move what is under"):
        do(ada, "retire", "category", "2-data-safety")


def test_a_placement_is_made_changed_and_removed(ada: Any) -> None:
    paper = Paper.objects.get(key="arxiv:2307.15043")
    fields = {"paper": paper.key, "risk": "deepfake", "kind": "survey", "evidence": "Says so."}
    made = perform(action=Action("create", "placement", "", fields), by=ada, note="test")
    placed = Placement.objects.get(paper=paper, risk__slug="deepfake")
    assert (placed.origin, placed.placed_by) == ("curated", ada)
    edit = Action("edit", "placement", str(placed.pk), {"kind": "attack"}, 2)
    perform(action=edit, by=ada, note="test")
    with pytest.raises(RevertConflict) as caught:
        undo(made, ada)
    assert caught.value.stuck[0].now == {"kind": "attack"}
    removed = do(ada, "delete", "placement", str(placed.pk), 3)
    undo(removed, ada)
    assert Placement.objects.get(pk=placed.pk).kind == "attack"


def test_a_mapping_looked_at_again_is_to_the_present_version(ada: Any) -> None:
    mapping = Mapping.objects.select_related("entry__framework").first()
    assert mapping is not None
    framework = mapping.entry.framework
    framework.version = "9.9"
    framework.save()
    do(ada, "edit", "mapping", str(mapping.pk), note="Looked at again.")
    mapping.refresh_from_db()
    assert (mapping.framework_version, mapping.mapped_by) == ("9.9", ada)


def test_a_revert_leaves_other_fields_as_later_edits_made_them(ada: Any) -> None:
    first = do(ada, "edit", "risk", "deepfake", name="Deepfakes", harm="Fraud.")
    do(ada, "edit", "risk", "deepfake", 2, definition="Later words.")
    undo(first, ada)
    risk = Risk.objects.get(slug="deepfake")
    assert risk.name != "Deepfakes"
    assert risk.definition == "Later words."


def test_a_revert_shows_what_was_changed_again(ada: Any) -> None:
    first = do(ada, "edit", "risk", "deepfake", name="Deepfakes")
    do(ada, "edit", "risk", "deepfake", 2, name="Deep fakes")
    with pytest.raises(RevertConflict) as caught:
        undo(first, ada)
    stuck = caught.value.stuck[0]
    assert (stuck.field, stuck.after, stuck.now) == ("name", "Deepfakes", "Deep fakes")
    undo(first, ada, choices={stuck.what: "back"})
    assert Risk.objects.get(slug="deepfake").name == stuck.before


def test_a_revert_can_be_reverted(ada: Any) -> None:
    first = do(ada, "edit", "risk", "deepfake", name="Deepfakes")
    second = undo(first, ada)
    undo(second, ada)
    assert Risk.objects.get(slug="deepfake").name == "Deepfakes"
    undo(first, ada)  # which counts as published again


@pytest.mark.parametrize("role", ["reader", "contributor"])
def test_who_may_not_edit_at_once_is_told_so(role: str) -> None:
    with pytest.raises(NotAllowed, match="edit at once"):
        do(person("bo", role), "edit", "risk", "deepfake", name="x")
