"""Undoing what a change set wrote, also after later edits.

Each row goes back field by field. A field that still has the value the change gave it goes
back; one that has its old value again is fine; one that somebody changed later is a
conflict, to be decided: ``back`` or ``keep``. What was merged onward meanwhile counts as
unchanged, so merges can be undone in any order. Named nodes are never deleted:
undoing their creation retires them, and their address goes on working.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from taxonomy.kinds import Kind, of, referring, stays
from taxonomy.models import ChangeItem, ChangeSet, Status

from . import counts
from .actions import Action, Result, handles, require
from .errors import Invalid, Missing, RevertConflict, Stuck, WrongState
from .sound import settle
from .values import decode, encode, kind_of
from .writer import Change, Writer, again_after_collision, follow, writing

BACK, KEEP = "back", "keep"


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
            _undo(writer, one, choices)
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
        _undo(writer, item, choices if isinstance(choices, dict) else {})


def _undo(writer: Writer, item: ChangeItem, choices: dict[str, str]) -> list[Change]:
    """Undo the rows of one item, last first; raises RevertConflict with all conflicts."""
    mark, stuck = len(writer.changes), []
    for place, given in reversed(list(enumerate(item.changes))):
        change = Change(**given)
        undo = {"update": _undo_update, "create": _undo_create, "delete": _undo_delete}
        stuck += undo[change.action](writer, change, f"{item.position}.{place}", choices)
    if stuck:
        raise RevertConflict(stuck)
    return writer.since(mark)


def _row(kind: Kind, change: Change) -> Any:
    return kind.model._default_manager.select_for_update(of=("self",)).filter(pk=change.id).first()


def _undo_update(writer: Writer, change: Change, name: str, choices: dict[str, str]) -> list[Stuck]:
    kind = kind_of(change.kind)
    row = _row(kind, change) or _merged_away(writer, kind, change)
    if row is None:
        if choices.get(name) == KEEP:
            return []
        return [Stuck(name, change.label, "", change.before, change.after, "removed since")]
    stuck, wanted = [], {}
    for field, old in change.before.items():
        now, choice = encode(row, field), choices.get(f"{name}.{field}")
        if now == old or choice == KEEP:
            continue
        if kind.model._meta.get_field(field).many_to_many:
            wanted[field] = _without(kind, field, old, change.after[field], now)
            continue
        if choice != BACK and not _same(kind, field, change.after[field], now):
            stuck.append(
                Stuck(f"{name}.{field}", change.label, field, old, change.after[field], now)
            )
            continue
        wanted[field] = old
    if not stuck and wanted:
        writer.update(kind, row, decode(kind, wanted, kind.fields))
    return stuck


def _merged_away(writer: Writer, kind: Kind, change: Change) -> Any:
    """A row that a later merge removed, since its place was taken there: made again.

    Not one that was merged itself and lives on under another name.
    """
    if kind.onward is not stays:
        return None
    mark = [{"kind": change.kind, "id": change.id, "action": "delete"}]
    last = ChangeItem.objects.filter(changes__contains=mark).order_by("-pk").first()
    if last is None or last.op != ChangeItem.Op.MERGE:
        return None
    gone = next(c for c in last.changes if c["id"] == change.id and c["kind"] == change.kind)
    values = {**gone["before"], **change.before}
    try:
        return writer.create(kind, decode(kind, values, kind.fields), pk=change.id)
    except Invalid:
        return None


def _without(kind: Kind, field: str, old: list[str], after: list[str], now: list[str]) -> list[str]:
    """A list as it is now, without what the change added and with what it took out."""
    new = set(after) - set(old)
    added = {one for one in now if any(_same(kind, field, other, one) for other in new)}
    return sorted((set(now) - (added - set(old))) | (set(old) - set(after)))


def _same(kind: Kind, field: str, after: Any, now: Any) -> bool:
    """Whether a value is still the one that was given, through later merges."""
    if after == now:
        return True
    related = kind.model._meta.get_field(field).related_model
    known = of(related) if related else None
    return known is not None and isinstance(after, str) and known.onward(after) == now


def _undo_create(writer: Writer, change: Change, name: str, choices: dict[str, str]) -> list[Stuck]:
    kind = kind_of(change.kind)
    row = _row(kind, change)
    if row is None:
        return []
    if kind.retirable and not kind.removable:
        if row.status == Status.ACTIVE:
            writer.update(kind, row, {"status": Status.RETIRED.value})
        return []
    differing = [f for f, v in change.after.items() if not _same(kind, f, v, encode(row, f))]
    holders = _holders(row)
    choice = choices.get(name)
    if (differing or holders) and choice not in (BACK, KEEP):
        now: dict[str, Any] = {field: encode(row, field) for field in differing}
        now |= {"since": [str(one)[:200] for _, one in holders]} if holders else {}
        then = {field: change.after[field] for field in differing}
        return [Stuck(name, change.label, "", None, then, now)]
    if choice != KEEP:
        for holder, one in holders:
            writer.delete(holder, one)
        writer.delete(kind, row)
    return []


def _holders(row: Any) -> list[tuple[Kind, Any]]:
    """What came to point at a row since, and would go with it."""
    return [
        (kind, one)
        for kind, name in referring(type(row))
        for one in kind.model._default_manager.filter(**{name: row})
    ]


def _undo_delete(writer: Writer, change: Change, name: str, choices: dict[str, str]) -> list[Stuck]:
    kind = kind_of(change.kind)
    if _row(kind, change) is not None or choices.get(name) == KEEP:
        return []
    try:
        writer.create(kind, decode(kind, change.before, kind.fields), pk=change.id)
    except Invalid as error:
        return [Stuck(name, change.label, "", change.before, None, str(error))]
    return []
