"""Reading fixture files: each row checked before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models

Row = dict[str, Any]
M = TypeVar("M", bound=models.Model)


class FixtureError(Exception):
    """A row that cannot be loaded; names the file, the line and the reason."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path.parent.name}/{path.name}, line {line}: {reason}")


def rows(path: Path, key: str = "slug") -> Iterator[tuple[int, Row]]:
    """Yield (line number, row) of a JSON-lines file whose ``key`` may occur once.

    Raises FixtureError at a line that is not an object, lacks the key or repeats it.
    """
    seen: dict[str, int] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            row = _parse(path, number, line)
            value = row.get(key)
            if not value:
                raise FixtureError(path, number, f"has no {key!r}")
            if value in seen:
                raise FixtureError(path, number, f"repeats {value!r} of line {seen[value]}")
            seen[value] = number
            yield number, row


def plain_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield (line number, row) of a JSON-lines file without a key of its own."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            yield number, _parse(path, number, line)


def _parse(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise FixtureError(path, number, f"is not JSON: {error.msg}") from None
    if not isinstance(row, dict):
        raise FixtureError(path, number, "is not a JSON object")
    return row


class Finder:
    """Looks rows of a model up by slug, naming file and line where one is unknown."""

    def __init__(self, model: type[models.Model], key: str = "slug") -> None:
        self.label = model._meta.verbose_name
        rows = model._default_manager.all()
        self.by_key = {getattr(found, key): self._heir(found) for found in rows}
        self.heirs = {row.pk for name, row in self.by_key.items() if getattr(row, key) != name}

    def _heir(self, found: Any) -> Any:
        """Files may go on naming a risk that curators have merged into another."""
        return found.heir() if getattr(found, "merged_into_id", None) else found

    def __call__(self, path: Path, line: int, name: Any) -> Any:
        """The row called ``name``; raises FixtureError where there is none."""
        try:
            return self.by_key[name]
        except (KeyError, TypeError):
            raise FixtureError(path, line, f"unknown {self.label} {name!r}") from None


def check(path: Path, line: int, instance: M, exclude: Iterable[str] = ()) -> M:
    """Validate fields without touching the database; raises FixtureError."""
    try:
        instance.clean_fields(exclude=set(exclude))
    except ValidationError as error:
        reasons = "; ".join(f"{k}: {' '.join(v)}" for k, v in error.message_dict.items())
        raise FixtureError(path, line, reasons) from None
    return instance


def sync(instances: Iterable[M], key: str, fields: list[str]) -> dict[str, int]:
    """Create what is missing and update what differs, found by ``key``.

    A row that a person has edited since (``version`` above 1) is left as it is.
    Returns counts of created, updated, kept. A few statements, however many rows.
    """
    wanted = {getattr(row, key): row for row in instances}
    if not wanted:
        return {"created": 0, "updated": 0, "kept": 0}
    model = type(next(iter(wanted.values())))
    known = {getattr(row, key): row for row in model._default_manager.all()}
    new = [row for name, row in wanted.items() if name not in known]
    changed, kept = [], 0
    for name in wanted.keys() & known.keys():
        if _edited(known[name]):
            kept += 1
        elif copy(wanted[name], known[name], fields):
            changed.append(known[name])
    model._default_manager.bulk_create(new, batch_size=500)
    model._default_manager.bulk_update(changed, fields, batch_size=500)
    return {"created": len(new), "updated": len(changed), "kept": kept}


def _edited(row: models.Model) -> bool:
    """Whether a person has changed the row; a framework's version is another matter."""
    version = getattr(row, "version", 1)
    return isinstance(version, int) and version > 1


def copy(source: models.Model, to: models.Model, fields: list[str]) -> bool:
    """Copy ``fields``; tell whether any differed."""
    names = [source._meta.get_field(name).attname for name in fields]  # type: ignore[union-attr]
    different = [name for name in names if getattr(to, name) != getattr(source, name)]
    for name in different:
        setattr(to, name, getattr(source, name))
    return bool(different)


def digest(paths: Iterable[Path]) -> str:
    """sha256 over names and contents, in the order of names."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode())
        total.update(path.read_bytes())
    return total.hexdigest()
