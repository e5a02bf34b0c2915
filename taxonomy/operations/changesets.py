"""Change sets: several edits under one rationale, reviewed, then published as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pghistory
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from taxonomy.models import ChangeItem, ChangeSet, Comment

from . import counts
from .actions import Action, Result, apply, require, stale
from .errors import Conflict, CurationError, Invalid, Missing, NotAllowed, WrongState
from .values import encoded, find, kind_of
from .writer import Change, Writer, again_after_collision, follow, writing

MOST_ITEMS = 200
State = ChangeSet.State


@transaction.atomic
def draft(*, by: Any, title: str, rationale: str = "") -> ChangeSet:
    """Begin a change set."""
    require(by, "propose")
    title = title.strip()
    if not title or len(title) > 200:
        raise Invalid({"title": "Give a title of up to 200 characters."})
    return ChangeSet.objects.create(title=title, rationale=rationale, author=by)


@transaction.atomic
def describe(*, changeset: ChangeSet, by: Any, title: str, rationale: str) -> ChangeSet:
    """Change the title and the rationale of one's own open set."""
    found = _open(changeset, by)
    if not title.strip() or len(title) > 200:
        raise Invalid({"title": "Give a title of up to 200 characters."})
    found.title, found.rationale = title.strip(), rationale
    found.save(update_fields=["title", "rationale"])
    return found


@transaction.atomic
def add(*, changeset: ChangeSet, action: Action, by: Any) -> ChangeItem:
    """Put an edit into one's own open set, once it has been tried and found to work.

    A second edit of the same row joins the first. Raises Conflict where the version that
    was read is no longer the live one, and whatever performing it would raise.
    """
    found = _open(changeset, by)
    if found.items.count() >= MOST_ITEMS:
        raise Invalid({"items": f"A set has at most {MOST_ITEMS} edits. Begin another."})
    same = found.items.filter(op="edit", kind=action.kind, key=action.key).first()
    if action.op == "edit" and same:
        return _join(same, action, by)
    _try(_with_base(action), by, before=[_action(item) for item in found.items.all()])
    last = found.items.aggregate(last=Max("position"))["last"] or 0
    base = _with_base(action).base or {}
    return ChangeItem.objects.create(
        changeset=found,
        position=last + 1,
        op=action.op,
        kind=action.kind,
        key=action.key,
        fields=action.fields,
        base_version=action.version,
        base=base,
    )


def _join(item: ChangeItem, action: Action, by: Any) -> ChangeItem:
    """A second edit of a row joins the first; each field keeps what its author had read."""
    fields = {**item.fields, **action.fields}
    base = {**item.base, **(_with_base(action).base or {})}
    try:
        _try(Action("edit", item.kind, item.key, fields, item.base_version, base), by)
    except Conflict:
        said = "What this set proposes for the row already no longer fits. Decide that first."
        raise Invalid({"changeset": said}) from None
    item.fields, item.base = fields, base
    item.save(update_fields=["fields", "base"])
    return item


def _with_base(action: Action) -> Action:
    """The action with the present values of what it touches, if its version is the live one."""
    if action.version is None or not action.key:
        return action
    kind = kind_of(action.kind)
    row = find(kind, action.key)
    names = [name for name in action.fields if name in kind.fields]
    if row.version != action.version and action.base is None:
        raise stale(action)
    return replace(action, base=encoded(row, names)) if action.base is None else action


def _try(action: Action, by: Any, before: Sequence[Action] = ()) -> None:
    """Perform an action and take it back; raises what it raises.

    ``before`` are the edits that stand before it in its set, on which it may build; one that
    no longer fits is skipped, as on the page of the set.
    """
    with writing(by=by, reason="tried") as writer:
        for earlier in before:
            mark = len(writer.changes)
            try:
                with transaction.atomic():
                    apply(writer, earlier)
            except CurationError:
                del writer.changes[mark:]
        apply(writer, action)
        transaction.set_rollback(True)


@transaction.atomic
def drop(*, item: ChangeItem, by: Any) -> None:
    """Take an edit out of one's own open set."""
    _open(item.changeset, by)
    item.delete()


@transaction.atomic
def rebase(
    *, item: ChangeItem, fields: dict[str, Any], by: Any, version: int | None = None
) -> ChangeItem:
    """What the author wants now, having seen the live row (at ``version``, if said).

    Raises Conflict where it has moved on from that version.
    """
    _open(item.changeset, by)
    if not fields:
        raise Invalid({"fields": "Nothing differs from what is live: take the edit out instead."})
    kind = kind_of(item.kind)
    row = find(kind, item.key)
    if version is not None and row.version != version:
        raise stale(Action("edit", item.kind, item.key, fields, version))
    item.fields, item.base_version = fields, row.version
    item.base = encoded(row, [name for name in fields if name in kind.fields])
    _try(_action(item), by)
    item.save(update_fields=["fields", "base", "base_version"])
    return item


def _open(changeset: ChangeSet, by: Any) -> ChangeSet:
    """The author's own set, locked, if it can still be changed."""
    require(by, "propose")
    found = _locked(changeset)
    if found.author_id != by.pk:
        raise NotAllowed("Only its author changes a change set. Comment on it instead.")
    if found.state not in ChangeSet.OPEN:
        raise WrongState(f"This set is {found.get_state_display()}. Take it back first.")
    return found


def _locked(changeset: ChangeSet) -> ChangeSet:
    return ChangeSet.objects.select_for_update(of=("self",)).get(pk=changeset.pk)


@transaction.atomic
def submit(*, changeset: ChangeSet, by: Any) -> ChangeSet:
    """Hand one's set in for review; it needs an edit and a rationale."""
    found = _open(changeset, by)
    if not found.items.exists():
        raise Invalid({"items": "There is no edit in this set yet."})
    if not found.rationale.strip():
        raise Invalid({"rationale": "Say why, so that a reviewer can judge it."})
    return _to(found, State.IN_REVIEW, submitted_at=timezone.now())


@transaction.atomic
def take_back(*, changeset: ChangeSet, by: Any) -> ChangeSet:
    """Make one's own waiting set a draft again."""
    found = _locked(changeset)
    if found.author_id != by.pk:
        raise NotAllowed("Only its author takes a change set back.")
    if found.state not in (*ChangeSet.WAITING, State.CHANGES_ASKED, State.REJECTED):
        raise WrongState(f"This set is {found.get_state_display()}.")
    return _to(found, State.DRAFT, reviewer=None)


@transaction.atomic
def comment(*, changeset: ChangeSet, by: Any, text: str, item: ChangeItem | None = None) -> Comment:
    """Say something about a set or one item of it; its author and reviewers may."""
    if changeset.author_id != by.pk:
        require(by, "review")
    if not text.strip() or len(text) > 10_000:
        raise Invalid({"text": "Say something, in up to 10,000 characters."})
    if item is not None and item.changeset_id != changeset.pk:
        raise Missing("That item is in another set.")
    return Comment.objects.create(changeset=changeset, item=item, author=by, text=text.strip())


@transaction.atomic
def ask_changes(*, changeset: ChangeSet, by: Any, text: str = "") -> ChangeSet:
    """Give a set back to its author, with what should change."""
    found = _reviewable(changeset, by)
    if text:
        comment(changeset=found, by=by, text=text)
    if not found.comments.filter(author=by).exists():
        raise Invalid({"text": "Say what should change, here or at the items."})
    return _to(found, State.CHANGES_ASKED, reviewer=by)


@transaction.atomic
def reject(*, changeset: ChangeSet, by: Any, text: str) -> ChangeSet:
    """Decline a set, saying why; its author may take it back and improve it."""
    found = _reviewable(changeset, by)
    comment(changeset=found, by=by, text=text)
    return _to(found, State.REJECTED, reviewer=by)


@transaction.atomic
def approve(*, changeset: ChangeSet, by: Any) -> ChangeSet:
    """Find a set good; it is published apart, or at once by ``publish``."""
    return _to(_reviewable(changeset, by), State.APPROVED, reviewer=by)


def _reviewable(changeset: ChangeSet, by: Any) -> ChangeSet:
    require(by, "review")
    found = _locked(changeset)
    if found.author_id == by.pk:
        raise NotAllowed("Nobody reviews their own change set. Ask another reviewer.")
    if found.state not in ChangeSet.WAITING:
        raise WrongState(f"This set is {found.get_state_display()}, not in review.")
    return found


def _to(changeset: ChangeSet, state: str, **values: Any) -> ChangeSet:
    for name, value in {"state": state, **values}.items():
        setattr(changeset, name, value)
    changeset.save(update_fields=["state", *values])
    return changeset


@again_after_collision
def publish(*, changeset: ChangeSet, by: Any) -> Result:
    """Publish a set that somebody else than its author has approved: all of it, or nothing.

    Raises Conflict where the live rows have moved on in the very fields it touches.
    """
    require(by, "review")
    with writing(by=by, reason=changeset.rationale, changeset=changeset.pk) as writer:
        found = _locked(changeset)
        if found.author_id == by.pk:
            raise NotAllowed("Nobody publishes their own change set. Ask another reviewer.")
        if found.state != State.APPROVED:
            raise WrongState(f"This set is {found.get_state_display()}. It must be approved first.")
        for item in found.items.all():
            with pghistory.context(author=found.author_id):
                changes = apply(writer, _action(item))
            item.changes = [change.to_dict() for change in changes]
            item.save(update_fields=["changes"])
        _to(found, State.PUBLISHED, published_at=timezone.now())
        follow(writer.changes)
    return Result(writer.changes, found)


def _action(item: ChangeItem) -> Action:
    version = item.base_version
    return Action(
        item.op, item.kind, item.key, item.fields, version, item.base if version else None
    )


@dataclass
class Previewed:
    """One item against what is live now: the rows it would write, or what stops it."""

    item: ChangeItem
    changes: list[Change] = field(default_factory=list)
    error: CurationError | None = None
    moved_on: bool = False


@dataclass
class Preview:
    """What publishing a set would do at this moment."""

    items: list[Previewed]
    counts: list[counts.Count]
    looked: Any = None

    @property
    def clean(self) -> bool:
        """Whether every item could be published."""
        return not any(one.error for one in self.items)

    @property
    def changes(self) -> list[Change]:
        """All rows, in order."""
        return [change for one in self.items for change in one.changes]


@again_after_collision
def preview(
    *, changeset: ChangeSet, by: Any, look: Callable[[list[Change]], Any] = lambda changes: None
) -> Preview:
    """Perform every item and take it all back; an item that cannot be done is skipped.

    ``look`` is called before all is taken back, with what changed; ``looked`` is its answer.
    """
    with writing(by=by, reason="previewed") as writer:
        before = counts.everywhere()
        items = [_previewed(writer, item) for item in changeset.items.all()]
        changes = [change for one in items for change in one.changes]
        found = counts.compare(before, counts.everywhere(), changes)
        looked = look(changes)
        transaction.set_rollback(True)
    return Preview(items, found, looked)


def _previewed(writer: Writer, item: ChangeItem) -> Previewed:
    found = Previewed(item)
    mark = len(writer.changes)
    try:
        with transaction.atomic():
            kind = kind_of(item.kind) if item.base_version else None
            if kind is not None:
                row = find(kind, item.key)
                found.moved_on = row.version != (item.base_version or 0) + writer.bumped(kind, row)
            found.changes = apply(writer, _action(item))
    except CurationError as error:
        del writer.changes[mark:]
        found.error = error
    return found
