"""Putting rows back as they were before a change, also after later edits.

Each row goes back field by field. A field that still has the value the change gave it goes
back; one that has its old value again is fine; one that somebody changed later is a
conflict, to be decided: ``back`` or ``keep``. What was merged onward meanwhile counts as
unchanged, so merges can be undone in any order. Named nodes are never deleted:
undoing their creation retires them, and their address goes on working.

Rows that were made or removed one after another, as an import makes thousands, are read
and written together: a part of them costs a few statements, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

from django.db import models

from taxonomy.kinds import Kind, of, referring, stays
from taxonomy.models import ChangeItem, Status

from .errors import Invalid, RevertConflict, Stuck
from .values import decode, encode, kind_of
from .writer import Change, Writer

BACK, KEEP = "back", "keep"
PART = 500
# A change under the name by which its conflict is decided.
Named = tuple[str, Change]
Choices = dict[str, str]


def undo(writer: Writer, item: ChangeItem, choices: Choices) -> list[Change]:
    """Undo the rows of one item, last first; raises RevertConflict with all conflicts."""
    mark, stuck = len(writer.changes), list[Stuck]()
    given = [(f"{item.position}.{n}", Change(**one)) for n, one in enumerate(item.changes)]
    for kind, action, part in _alike(reversed(given)):
        stuck += UNDO[action](writer, kind, part, choices)
    if stuck:
        raise RevertConflict(stuck)
    return writer.since(mark)


def _alike(given: Iterator[Named]) -> Iterator[tuple[Kind, str, list[Named]]]:
    """Runs of changes of one kind that did the same, in parts."""
    for (kind, action), run in groupby(given, key=lambda pair: (pair[1].kind, pair[1].action)):
        while part := list(islice(run, PART)):
            yield kind_of(kind), action, part


def _rows(kind: Kind, part: Sequence[Named]) -> dict[int, Any]:
    """The rows that are still there, locked, each with what its plain values name."""
    fields = [kind.model._meta.get_field(name) for name in kind.fields]
    one = [field.name for field in fields if field.many_to_one]
    many = [field.name for field in fields if field.many_to_many]
    found = kind.model._default_manager.filter(pk__in=[change.id for _, change in part])
    found = found.select_related(*one) if one else found
    return {row.pk: row for row in found.prefetch_related(*many).select_for_update(of=("self",))}


def _undo_updates(
    writer: Writer, kind: Kind, part: Sequence[Named], choices: Choices
) -> list[Stuck]:
    return [stuck for name, change in part for stuck in _undo_update(writer, change, name, choices)]


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


def _undo_creates(
    writer: Writer, kind: Kind, part: Sequence[Named], choices: Choices
) -> list[Stuck]:
    """Retire named nodes; remove other rows, and what points at them where that was chosen."""
    rows = _rows(kind, part)
    if kind.retirable and not kind.removable:
        for _, change in part:
            row = rows.get(change.id)
            if row is not None and row.status == Status.ACTIVE:
                writer.update(kind, row, {"status": Status.RETIRED.value})
        return []
    holders = _holders(kind.model, rows)
    stuck, going, along = [], [], dict[tuple[str, int], tuple[Kind, Any]]()
    for name, change in part:
        row, held = rows.get(change.id), holders.get(change.id, [])
        if row is None or choices.get(name) == KEEP:
            continue
        if choices.get(name) != BACK and (conflict := _grown(kind, change, name, row, held)):
            stuck.append(conflict)
            continue
        going.append(row)
        along |= {(holder.name, one.pk): (holder, one) for holder, one in held}
    for holder, one in along.values():
        writer.delete(holder, one)
    writer.delete_many(kind, going)
    return stuck


def _grown(
    kind: Kind, change: Change, name: str, row: Any, held: list[tuple[Kind, Any]]
) -> Stuck | None:
    """The conflict of a new row that somebody edited since, or that something points at."""
    differing = [f for f, v in change.after.items() if not _same(kind, f, v, encode(row, f))]
    if not differing and not held:
        return None
    now: dict[str, Any] = {field: encode(row, field) for field in differing}
    now |= {"since": [str(one)[:200] for _, one in held]} if held else {}
    then = {field: change.after[field] for field in differing}
    return Stuck(name, change.label, "", None, then, now)


def _holders(model: type[models.Model], rows: dict[int, Any]) -> dict[int, list[tuple[Kind, Any]]]:
    """By row what came to point at it since, and would go with it."""
    found: dict[int, list[tuple[Kind, Any]]] = {}
    for kind, name in referring(model):
        for one in kind.model._default_manager.filter(**{f"{name}__in": rows}):
            found.setdefault(getattr(one, f"{name}_id"), []).append((kind, one))
    return found


def _undo_deletes(
    writer: Writer, kind: Kind, part: Sequence[Named], choices: Choices
) -> list[Stuck]:
    """Make removed rows again under their old numbers: all at once, or one by one if one fails."""
    ids = [change.id for _, change in part]
    there = set(kind.model._default_manager.filter(pk__in=ids).values_list("pk", flat=True))
    wanted = [
        (name, change)
        for name, change in part
        if change.id not in there and choices.get(name) != KEEP
    ]
    if len(wanted) > 1 and _all_again(writer, kind, [change for _, change in wanted]):
        return []
    return [stuck for name, change in wanted for stuck in _again(writer, kind, name, change)]


def _all_again(writer: Writer, kind: Kind, changes: Sequence[Change]) -> bool:
    """Whether rows could be made together; if not, nothing was written."""
    if any(kind.model._meta.get_field(name).many_to_many for name in kind.fields):
        return False
    try:
        values = [decode(kind, change.before, kind.fields) for change in changes]
        writer.create_many(kind, values, [change.id for change in changes])
    except Invalid:
        return False
    return True


def _again(writer: Writer, kind: Kind, name: str, change: Change) -> list[Stuck]:
    try:
        writer.create(kind, decode(kind, change.before, kind.fields), pk=change.id)
    except Invalid as error:
        return [Stuck(name, change.label, "", change.before, None, str(error))]
    return []


UNDO: dict[str, Callable[[Writer, Kind, Sequence[Named], Choices], list[Stuck]]] = {
    "update": _undo_updates,
    "create": _undo_creates,
    "delete": _undo_deletes,
}
