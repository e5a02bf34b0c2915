"""An action is one edit asked for; performing it writes, or in a dry run only shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from taxonomy import history
from taxonomy.kinds import Kind
from taxonomy.models import ChangeItem, ChangeSet

from . import counts
from .errors import Clash, Conflict, Invalid, NotAllowed
from .sound import settle
from .values import decode, encode, find, kind_of
from .writer import Change, Writer, again_after_collision, follow, writing

RIGHTS = {
    "propose": "propose changes",
    "edit_live": "edit at once",
    "review": "review",
    "release": "freeze a release",
}


@dataclass(frozen=True)
class Action:
    """What is asked: an operation on a row, its values, and the version that was read.

    ``base`` has the values that were read; with it, an action that waited in a change set
    collides only where somebody changed the very same fields.
    """

    op: str
    kind: str
    key: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    version: int | None = None
    base: dict[str, Any] | None = None


@dataclass
class Result:
    """What an action wrote, or would write; ``counts`` are papers by risk, before and after."""

    changes: list[Change]
    changeset: ChangeSet | None = None
    counts: list[counts.Count] = field(default_factory=list)


Handler = Callable[[Writer, Action], None]
HANDLERS: dict[str, Handler] = {}


def handles(op: str) -> Callable[[Handler], Handler]:
    """Register what performs an operation."""

    def keep(handler: Handler) -> Handler:
        HANDLERS[op] = handler
        return handler

    return keep


def require(by: Any, right: str) -> None:
    """Raises NotAllowed unless the actor has the right."""
    if by is None or not by.has_perm(f"taxonomy.{right}"):
        raise NotAllowed(f"Your role does not allow you to {RIGHTS[right]}.")


def apply(writer: Writer, action: Action) -> list[Change]:
    """Perform one action within a transaction; returns the rows it wrote."""
    if action.op not in HANDLERS:
        known = ", ".join(HANDLERS)
        raise Invalid({"op": f"No operation {action.op[:40]!r}. One of: {known}."})
    if "\\u0000" in json.dumps(action.fields):
        raise Invalid({"fields": "Take the NUL character out."})
    mark = len(writer.changes)
    HANDLERS[action.op](writer, action)
    settle(writer, writer.since(mark))
    return writer.since(mark)


@again_after_collision
def perform(
    *, action: Action, by: Any, note: str, title: str = "", dry_run: bool = False
) -> Result:
    """Make one edit at once, kept as a published change set of one item that can be undone.

    Raises NotAllowed, Missing, Invalid, Conflict. A dry run writes nothing.
    """
    require(by, "propose" if dry_run else "edit_live")
    with writing(by=by, reason=note) as writer:
        before = counts.everywhere() if dry_run else {}
        changeset = _direct(action, by, note, title)
        changes = apply(writer, action) if dry_run else _published(writer, action, changeset)
        if dry_run:
            found = counts.compare(before, counts.everywhere(), changes)
            transaction.set_rollback(True)
            return Result(changes, None, found)
        follow(changes)
    return Result(changes, changeset)


def _direct(action: Action, by: Any, note: str, title: str) -> ChangeSet:
    return ChangeSet.objects.create(
        title=(title or f"{action.op} {action.kind} {action.key}".strip())[:200],
        rationale=note,
        author=by,
        direct=True,
        state=ChangeSet.State.PUBLISHED,
        published_at=timezone.now(),
    )


def _published(writer: Writer, action: Action, changeset: ChangeSet) -> list[Change]:
    import pghistory

    with pghistory.context(changeset=changeset.pk):
        changes = apply(writer, action)
    ChangeItem.objects.create(
        changeset=changeset,
        position=1,
        op=action.op,
        kind=action.kind,
        key=action.key,
        fields=action.fields,
        base_version=action.version,
        changes=[change.to_dict() for change in changes],
    )
    return changes


def target(writer: Writer, action: Action, fields: dict[str, Any]) -> tuple[Kind, Any]:
    """The locked row an action is about; raises Conflict where it was changed meanwhile."""
    kind = kind_of(action.kind)
    row = find(kind, action.key, lock=True)
    if not kind.versioned:
        return kind, row
    if action.version is None:
        raise Invalid({"version": "Say which version you read, so that nobody's work is lost."})
    if row.version == action.version + writer.bumped(kind, row):
        return kind, row
    clashes = _clashes(writer, kind, row, action, fields)
    if action.base is None or any(c.theirs not in (c.base, c.yours) for c in clashes):
        raise Conflict(kind.name, action.key, str(row), action.version, row.version, clashes)
    return kind, row


def _clashes(
    writer: Writer, kind: Kind, row: Any, action: Action, fields: dict[str, Any]
) -> list[Clash]:
    """Each asked field as it was read, as it is, as it is wanted."""
    base = action.base or at_version(kind, row, action.version or 0)
    mine = writer.touched(kind, row)
    names = [name for name in fields if name in kind.fields and name not in mine]
    return [
        Clash(name, base.get(name, encode(row, name)), encode(row, name), fields[name])
        for name in names
    ]


def stale(action: Action) -> Conflict:
    """What stands against what, field by field, where the version that was read is gone."""
    kind = kind_of(action.kind)
    row = find(kind, action.key)
    known = {name: value for name, value in action.fields.items() if name in kind.fields}
    clashes = _clashes(Writer(None), kind, row, action, known)
    return Conflict(kind.name, action.key, str(row), action.version or 0, row.version, clashes)


def at_version(kind: Kind, row: Any, version: int) -> dict[str, Any]:
    """Plain values of the row as they were at a version, from its history."""
    entries = (entry for entry in history.of(kind, row.pk) if entry.version == version)
    found = next(entries, None)
    return found.values if found else {}


def values(action: Action, kind: Kind, allowed: tuple[str, ...]) -> dict[str, Any]:
    """The decoded fields of an action; raises Invalid where there are none."""
    if not action.fields:
        raise Invalid({"fields": f"Say what to set. Known: {', '.join(allowed)}."})
    return decode(kind, action.fields, allowed)
