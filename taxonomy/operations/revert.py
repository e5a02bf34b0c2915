"""Reverting published change sets, whole or in part; how a row goes back is in undoing."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from taxonomy.models import ChangeItem, ChangeSet

from . import counts
from .actions import Action, Result, handles, require
from .errors import Invalid, Missing, RevertConflict, Stuck, WrongState
from .sound import settle
from .undoing import undo
from .writer import Change, Writer, again_after_collision, follow, writing


@again_after_collision
def revert(
    *,
    changeset: ChangeSet,
    by: Any,
    note: str,
    item: ChangeItem | None = None,
    choices: dict[str, str] | None = None,
    dry_run: bool = False,
) -> Result:
    """Undo a published set or one item of it, as a new published set.

    ``choices`` decides conflicts by their names. Raises RevertConflict where one is
    undecided, NotAllowed, WrongState.
    """
    require(by, "propose" if dry_run else "edit_live")
    with writing(by=by, reason=note) as writer:
        changeset = ChangeSet.objects.select_for_update(of=("self",)).get(pk=changeset.pk)
        if changeset.state != ChangeSet.State.PUBLISHED:
            raise WrongState("Only what has been published can be reverted.")
        items = _undoable(changeset, item)
        before = counts.everywhere() if dry_run else {}
        changes = _undone(writer, items, choices or {})
        if dry_run:
            found = counts.compare(before, counts.everywhere(), changes)
            transaction.set_rollback(True)
            return Result(changes, None, found)
        made = _record(changeset, items, changes, by, note)
        follow(changes)
    return Result(changes, made)


def _undone(writer: Writer, items: list[ChangeItem], choices: dict[str, str]) -> list[Change]:
    """Undo items, last first; raises RevertConflict with every conflict of all of them."""
    stuck: list[Stuck] = []
    for one in items:
        try:
            undo(writer, one, choices)
        except RevertConflict as error:
            stuck += error.stuck
    if stuck:
        raise RevertConflict(stuck)
    settle(writer, list(writer.changes))
    return writer.changes


def _undoable(changeset: ChangeSet, item: ChangeItem | None) -> list[ChangeItem]:
    items = list(changeset.items.filter(reverted_in=None).order_by("-position"))
    if item is not None:
        items = [one for one in items if one.pk == item.pk]
    if not items:
        raise WrongState("There is nothing here that has not been reverted already.")
    return items


def _record(
    old: ChangeSet, items: list[ChangeItem], changes: list[Change], by: Any, note: str
) -> ChangeSet:
    part = "" if len(items) == old.items.count() else "part of "
    made = ChangeSet.objects.create(
        title=f"Revert {part}“{old.title}”"[:200],
        rationale=note,
        author=by,
        direct=True,
        reverts=old,
        state=ChangeSet.State.PUBLISHED,
        published_at=timezone.now(),
    )
    ChangeItem.objects.create(
        changeset=made,
        position=1,
        op=ChangeItem.Op.REVERT,
        kind="changeset",
        key=str(old.pk),
        fields={"items": [one.position for one in items]},
        changes=[change.to_dict() for change in changes],
    )
    ChangeItem.objects.filter(pk__in=[one.pk for one in items]).update(reverted_in=made)
    _open_again(items)
    return made


def _open_again(items: list[ChangeItem]) -> None:
    """Reverting a revert makes what it had reverted count as published again."""
    for one in items:
        if one.op == ChangeItem.Op.REVERT:
            ChangeItem.objects.filter(reverted_in=one.changeset).update(reverted_in=None)


@handles("revert")
def revert_item(writer: Writer, action: Action) -> None:
    """Within a change set: undo items of another one (``fields: {"items": […]}``)."""
    if not action.key.isdecimal() or len(action.key) > 18:
        raise Missing("Say the number of a change set.")
    old = ChangeItem.objects.filter(
        changeset=int(action.key), changeset__state=ChangeSet.State.PUBLISHED
    )
    positions = action.fields.get("items")
    if positions is not None:
        if not isinstance(positions, list) or not all(isinstance(p, int) for p in positions):
            raise Invalid({"items": "Give the positions of the items."})
        old = old.filter(position__in=positions)
    choices = action.fields.get("choices", {})
    for item in old.order_by("-position"):
        undo(writer, item, choices if isinstance(choices, dict) else {})
