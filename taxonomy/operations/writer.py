"""One writer at a time, and every row it writes is noted with its values before and after.

Curation writes take one advisory lock, so they follow one another: no deadlock between
curators, and the history's order is the order of events. A write takes milliseconds, and
reading waits for nobody. What does not take part (loading, harvesting) may still collide
on a row; then PostgreSQL picks a victim, and the edit is tried again.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pghistory
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, models, transaction

from taxonomy.kinds import KINDS, Kind

from .errors import Invalid
from .values import encode, encoded, name_of

T = TypeVar("T")
RETRIES = 4
COLLISIONS = {"40P01", "40001", "55P03"}  # deadlock, serialization failure, lock not available


@dataclass
class Change:
    """One row written: the fields that differ, before and after; plain values."""

    kind: str
    id: int
    key: str
    label: str
    action: str
    before: dict[str, Any]
    after: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As stored with its item; the values are shared, since thousands may be stored."""
        return dict(vars(self))


@contextmanager
def writing(*, by: Any, reason: str, changeset: int | None = None) -> Iterator[Writer]:
    """A transaction in which one actor writes, alone, with a reason in the history."""
    marks: dict[str, Any] = {"user": by.pk if by else None, "reason": reason}
    if changeset:
        marks["changeset"] = changeset
    with transaction.atomic(), pghistory.context(**marks):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('taxonomy.curation'))")
        yield Writer(by)


def again_after_collision(work: Callable[..., T]) -> Callable[..., T]:
    """Try anew where PostgreSQL gave up one side of a collision; not inside a transaction."""

    @functools.wraps(work)
    def tried(*args: Any, **kwargs: Any) -> T:
        for attempt in range(RETRIES):
            try:
                return work(*args, **kwargs)
            except OperationalError as error:
                code = getattr(error.__cause__, "sqlstate", "")
                inside = connection.in_atomic_block
                if inside or code not in COLLISIONS or attempt == RETRIES - 1:
                    raise
                time.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    return tried


@dataclass
class Writer:
    """Writes rows and keeps ``changes``, in order, for review and undoing."""

    by: Any
    changes: list[Change] = field(default_factory=list)

    def update(self, kind: Kind, row: Any, values: dict[str, Any]) -> bool:
        """Set fields; False where nothing differs. Raises Invalid."""
        before = encoded(row, values)
        many = {name: values[name] for name in values if _is_many(kind, name)}
        for name in values.keys() - many.keys():
            setattr(row, name, values[name])
        after = {name: _plain(many[name]) if name in many else encode(row, name) for name in values}
        differing = [name for name in values if before[name] != after[name]]
        if not differing:
            return False
        self._sign(kind, row)
        if kind.versioned:
            row.version += 1
        self._clean(row, exclude=set())
        self._save(kind, row, {name: many[name] for name in many if name in differing})
        self._note(kind, row, "update", _only(before, differing), _only(after, differing))
        return True

    def create(self, kind: Kind, values: dict[str, Any], pk: int | None = None) -> Any:
        """Make a row (under its old number when undoing); raises Invalid."""
        many = {name: values[name] for name in values if _is_many(kind, name)}
        plain = {name: values[name] for name in values.keys() - many.keys()}
        row: Any = kind.model(pk=pk, **plain)
        self._sign(kind, row)
        if kind.versioned:
            row.version = 2  # above 1 is a person's work, which loading leaves alone
        self._clean(row, exclude=set())
        self._save(kind, row, many, force_insert=True)
        self._note(kind, row, "create", {}, encoded(row, kind.fields))
        return row

    def create_many(
        self, kind: Kind, values: list[dict[str, Any]], pks: Sequence[int] = ()
    ) -> list[Any]:
        """Make many rows, whose fields have been checked, in few statements; raises Invalid.

        Under their old numbers ``pks`` when undoing.
        """
        numbers: Sequence[int | None] = pks or [None] * len(values)
        rows = [kind.model(pk=pk, **one) for pk, one in zip(numbers, values, strict=True)]
        for row in rows:
            self._sign(kind, row)
            if kind.versioned:
                row.version = 2  # type: ignore[attr-defined]
        try:
            with transaction.atomic():
                kind.model._default_manager.bulk_create(rows, batch_size=500)
        except IntegrityError as error:
            raise _refused(error) from None
        for row in rows:
            self._note(kind, row, "create", {}, encoded(row, kind.fields))
        return rows

    def delete(self, kind: Kind, row: Any) -> None:
        """Remove a row of a kind that may be removed."""
        self._note(kind, row, "delete", encoded(row, kind.fields), {})
        row.delete()

    def delete_many(self, kind: Kind, rows: list[Any]) -> None:
        """Remove rows on which nothing hangs any more that people made, in few statements."""
        for row in rows:
            self._note(kind, row, "delete", encoded(row, kind.fields), {})
        kind.model._default_manager.filter(pk__in=[row.pk for row in rows]).delete()

    def since(self, mark: int) -> list[Change]:
        """The changes after the first ``mark``."""
        return self.changes[mark:]

    def bumped(self, kind: Kind, row: Any) -> int:
        """How often this writer has raised the version of a row."""
        return sum((change.kind, change.id) == (kind.name, row.pk) for change in self.changes)

    def touched(self, kind: Kind, row: Any) -> set[str]:
        """The fields of a row that this writer has changed."""
        mine = [c for c in self.changes if (c.kind, c.id) == (kind.name, row.pk)]
        return {name for change in mine for name in change.after}

    def _sign(self, kind: Kind, row: Any) -> None:
        if kind.actor and self.by is not None and self.by.pk:  # a stranger only looks
            setattr(row, kind.actor, self.by)

    def _clean(self, row: Any, exclude: set[str]) -> None:
        try:
            row.full_clean(exclude=exclude)
        except ValidationError as error:
            raise Invalid({_field(k): v for k, v in error.message_dict.items()}) from None

    def _save(self, kind: Kind, row: Any, many: dict[str, Any], **how: Any) -> None:
        try:
            with transaction.atomic():
                row.save(**how)
                for name, rows in many.items():
                    getattr(row, name).set(rows)
        except IntegrityError as error:
            raise _refused(error) from None

    def _note(self, kind: Kind, row: Any, action: str, before: Any, after: Any) -> None:
        change = Change(kind.name, row.pk, name_of(row), str(row)[:200], action, before, after)
        self.changes.append(change)


def follow(changes: list[Change]) -> None:
    """Once committed, let each kind do what follows a change (such as embedding anew)."""
    for kind in KINDS.values():
        rows = [change.id for change in changes if change.kind == kind.name]
        if rows:
            transaction.on_commit(functools.partial(kind.after, rows))


def _refused(error: IntegrityError) -> Invalid:
    text = str(error.__cause__ or error).splitlines()[0]
    return Invalid({"detail": f"The database refused this: {text}"})


def _is_many(kind: Kind, name: str) -> bool:
    return bool(kind.model._meta.get_field(name).many_to_many)


def _plain(rows: list[models.Model]) -> list[str]:
    return sorted(name_of(row) for row in rows)


def _only(values: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _field(name: str) -> str:
    return "detail" if name == "__all__" else name
