"""Change sets: several edits, one rationale, somebody else's approval, published as one."""

from __future__ import annotations

from typing import Any

import pytest

from taxonomy.models import Category, ChangeSet, Risk
from taxonomy.operations import (
    Action,
    Conflict,
    Invalid,
    NotAllowed,
    RevertConflict,
    WrongState,
    changesets,
    perform,
)
from taxonomy.operations.revert import revert
from tests.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> dict[str, Any]:
    roles = ("reader", "contributor", "curator", "reviewer", "administrator")
    return {role: person(role, role) for role in roles}


def edit(slug: str, version: int = 1, kind: str = "risk", **fields: Any) -> Action:
    return Action("edit", kind, slug, fields, version)


def proposed(by: Any, *actions: Action, submit: bool = True) -> ChangeSet:
    found = changesets.draft(by=by, title="Names", rationale="They are clearer.")
    for action in actions:
        changesets.add(changeset=found, action=action, by=by)
    return changesets.submit(changeset=found, by=by) if submit else found


def published(found: ChangeSet, by: Any) -> ChangeSet:
    changesets.approve(changeset=found, by=by)
    changesets.publish(changeset=found, by=by)
    found.refresh_from_db()
    return found


def test_a_set_goes_from_draft_to_live_in_one_step(people: Any) -> None:
    actions = (
        edit("deepfake", name="Deepfakes"),
        Action("merge", "risk", "sycophancy", {"into": "hallucination"}, 1),
        edit("deepfake", harm="Fraud."),
    )
    found = proposed(people["contributor"], *actions)
    assert [item.op for item in found.items.all()] == ["edit", "merge"]
    assert Risk.objects.get(slug="deepfake").name != "Deepfakes"
    published(found, people["reviewer"])
    risk = Risk.objects.get(slug="deepfake")
    assert (risk.name, risk.harm) == ("Deepfakes", "Fraud.")
    assert found.items.first().changes  # type: ignore[union-attr]
    event = risk.events.order_by("-pgh_id").first()  # type: ignore[attr-defined]
    assert event.pgh_context.metadata["changeset"] == found.pk
    assert event.pgh_context.metadata["author"] == people["contributor"].pk
    assert event.pgh_context.metadata["user"] == people["reviewer"].pk


def test_nobody_reviews_their_own_set(people: Any) -> None:
    mine = proposed(people["reviewer"], edit("deepfake", name="Deepfakes"))
    for work in (changesets.approve, changesets.publish):
        with pytest.raises(NotAllowed, match="their own"):
            work(changeset=mine, by=people["reviewer"])
    with pytest.raises(NotAllowed):
        changesets.reject(changeset=mine, by=people["reviewer"], text="No.")
    changesets.approve(changeset=mine, by=people["administrator"])
    with pytest.raises(NotAllowed, match="their own"):
        changesets.publish(changeset=mine, by=people["reviewer"])


WORK = {
    "draft": lambda found, by: changesets.draft(by=by, title="x"),
    "approve": lambda found, by: changesets.approve(changeset=found, by=by),
    "ask": lambda found, by: changesets.ask_changes(changeset=found, by=by, text="Why?"),
    "reject": lambda found, by: changesets.reject(changeset=found, by=by, text="No."),
    "comment": lambda found, by: changesets.comment(changeset=found, by=by, text="Hm."),
    "edit": lambda found, by: perform(action=edit("deepfake", name="x"), by=by, note=""),
}
MAY = {
    "reader": "",
    "contributor": "draft",
    "curator": "draft edit",
    "reviewer": "draft edit approve ask reject comment",
    "administrator": "draft edit approve ask reject comment",
}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("role", MAY)
def test_the_table_of_rights(people: Any, role: str, work: str) -> None:
    found = proposed(person("author", "contributor"), edit("sycophancy", name="Flattery"))
    if work in MAY[role].split():
        WORK[work](found, people[role])
    else:
        with pytest.raises(NotAllowed):
            WORK[work](found, people[role])


def test_changes_are_asked_at_an_item_and_made(people: Any) -> None:
    author, reviewer = people["contributor"], people["reviewer"]
    found = proposed(author, edit("deepfake", name="Deepfakes"))
    item = found.items.get()
    with pytest.raises(Invalid, match="what should change"):
        changesets.ask_changes(changeset=found, by=reviewer)
    changesets.comment(changeset=found, by=reviewer, item=item, text="Singular, please.")
    changesets.ask_changes(changeset=found, by=reviewer)
    changesets.add(changeset=found, action=edit("deepfake", name="Deepfake"), by=author)
    changesets.submit(changeset=found, by=author)
    published(found, reviewer)
    assert Risk.objects.get(slug="deepfake").name == "Deepfake"


def test_other_fields_may_move_on_and_the_same_may_not(people: Any) -> None:
    found = proposed(people["contributor"], edit("deepfake", name="Deepfakes"))
    perform(action=edit("deepfake", harm="Fraud."), by=people["curator"], note="")
    shown = changesets.preview(changeset=found, by=people["reviewer"])
    assert shown.clean
    assert shown.items[0].moved_on
    perform(action=edit("deepfake", 2, name="Deep fakes"), by=people["curator"], note="")
    shown = changesets.preview(changeset=found, by=people["reviewer"])
    assert isinstance(shown.items[0].error, Conflict)
    changesets.approve(changeset=found, by=people["reviewer"])
    with pytest.raises(Conflict):
        changesets.publish(changeset=found, by=people["reviewer"])
    assert Risk.objects.get(slug="deepfake").name == "Deep fakes"
    changesets.take_back(changeset=found, by=people["contributor"])
    item = found.items.get()
    changesets.rebase(item=item, fields={"name": "Deepfakes"}, by=people["contributor"])
    changesets.submit(changeset=found, by=people["contributor"])
    published(found, people["reviewer"])
    risk = Risk.objects.get(slug="deepfake")
    assert (risk.name, risk.harm) == ("Deepfakes", "Fraud.")


def test_a_set_is_published_whole_or_not(people: Any) -> None:
    found = proposed(
        people["contributor"],
        edit("sycophancy", name="Flattery"),
        edit("deepfake", name="Deepfakes"),
    )
    perform(action=edit("deepfake", name="Deep fakes"), by=people["curator"], note="")
    with pytest.raises(Conflict):
        published(found, people["reviewer"])
    assert Risk.objects.get(slug="sycophancy").version == 1


def test_the_preview_is_the_difference_to_what_is_live(people: Any) -> None:
    found = proposed(
        people["contributor"],
        Action("move", "category", "truthfulness", {"parent": "2-data-safety"}, 1),
        Action("merge", "risk", "sycophancy", {"into": "deepfake"}, 1),
    )
    before = list(Category.objects.order_by("pk").values())
    shown = changesets.preview(changeset=found, by=people["reviewer"])
    moved = shown.items[0].changes[0]
    assert moved.after["parent"] == "2-data-safety"
    counted = {count.key: count for count in shown.counts}
    assert counted["sycophancy"].after == 0
    assert counted["deepfake"].after > counted["deepfake"].before
    assert list(Category.objects.order_by("pk").values()) == before
    again = published(found, people["reviewer"])
    wrote = [change for item in again.items.all() for change in item.changes]
    assert wrote == [change.to_dict() for change in shown.changes]


def test_a_whole_set_or_one_item_is_reverted(people: Any) -> None:
    names = dict(Risk.objects.values_list("slug", "name"))
    found = published(
        proposed(
            people["contributor"],
            edit("sycophancy", name="Flattery"),
            edit("deepfake", name="Deepfakes"),
        ),
        people["reviewer"],
    )
    item = found.items.get(key="deepfake")
    revert(changeset=found, item=item, by=people["curator"], note="no")
    assert Risk.objects.get(slug="deepfake").name == names["deepfake"]
    assert Risk.objects.get(slug="sycophancy").name == "Flattery"
    with pytest.raises(WrongState):
        revert(changeset=found, item=item, by=people["curator"], note="again")
    perform(action=edit("sycophancy", 2, name="Fawning"), by=people["curator"], note="")
    with pytest.raises(RevertConflict):
        revert(changeset=found, by=people["curator"], note="rest")


@pytest.mark.parametrize("state", ["draft", "rejected", "published"])
def test_only_what_waits_is_reviewed(people: Any, state: str) -> None:
    found = proposed(people["contributor"], edit("deepfake", name="x"), submit=state != "draft")
    if state == "rejected":
        changesets.reject(changeset=found, by=people["reviewer"], text="No.")
    if state == "published":
        published(found, people["reviewer"])
    with pytest.raises(WrongState):
        changesets.approve(changeset=found, by=people["reviewer"])
    if state != "draft":
        with pytest.raises(WrongState):
            changesets.add(
                changeset=found, action=edit("sycophancy", name="y"), by=people["contributor"]
            )


def test_a_set_needs_a_title_an_edit_and_a_reason(people: Any) -> None:
    with pytest.raises(Invalid, match="title"):
        changesets.draft(by=people["contributor"], title=" ")
    found = changesets.draft(by=people["contributor"], title="Names")
    with pytest.raises(Invalid, match="no edit"):
        changesets.submit(changeset=found, by=people["contributor"])
    action = edit("deepfake", name="x")
    changesets.add(changeset=found, action=action, by=people["contributor"])
    with pytest.raises(Invalid, match="why"):
        changesets.submit(changeset=found, by=people["contributor"])
    with pytest.raises(NotAllowed, match="author"):
        changesets.add(changeset=found, action=action, by=people["curator"])


def test_an_edit_that_cannot_work_is_not_taken_into_a_set(people: Any) -> None:
    found = changesets.draft(by=people["contributor"], title="Names", rationale="x")
    perform(action=edit("deepfake", harm="Fraud."), by=people["curator"], note="")
    for action, wrong in (
        (edit("deepfake", name="x"), Conflict),
        (edit("sycophancy", name=""), Invalid),
        (Action("merge", "risk", "sycophancy", {"into": "sycophancy"}, 1), Invalid),
    ):
        with pytest.raises(wrong):
            changesets.add(changeset=found, action=action, by=people["contributor"])
    assert not found.items.exists()
