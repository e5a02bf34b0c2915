"""Merging two risks into one, and splitting one into two."""

from __future__ import annotations

from typing import Any

from django.db import models

from taxonomy.kinds import Kind, get, referring
from taxonomy.models import Risk, Status

from .actions import Action, handles, target
from .errors import Invalid
from .values import decode, find, kind_of
from .writer import Writer


@handles("merge")
def merge(writer: Writer, action: Action) -> None:
    """Merge a risk ``into`` another; ``fields`` of the one that stays may be chosen.

    Everything that pointed at the old one points at the new one; where both had the same
    paper, answer or mapping, one remains. The old address leads to the new one. Its names
    become aliases unless aliases are chosen.
    """
    if own := kind_of(action.kind).merge:
        own(writer, action)
        return
    given = dict(action.fields)
    into, into_version = given.pop("into", None), given.pop("into_version", None)
    chosen = given.pop("fields", {})
    if given or not isinstance(chosen, dict):
        raise Invalid({"fields": "Say into, into_version and fields, and no more."})
    kind, row = target(writer, action, {})
    if not isinstance(row, Risk):
        raise Invalid({"op": "Only risks and papers are merged."})
    heir = _heir(writer, kind, row, into, into_version)
    _repoint_all(writer, row, heir)
    writer.update(kind, row, {"status": Status.RETIRED.value, "merged_into": heir})
    wanted = decode(kind, chosen, kind.editable)
    wanted.setdefault("aliases", _names_of_both(row, heir))
    writer.update(kind, heir, wanted)


def _heir(writer: Writer, kind: Kind, row: Risk, into: Any, version: Any) -> Risk:
    heir = find(kind, str(into or ""), lock=True)
    if heir.pk == row.pk:
        raise Invalid({"into": "A risk cannot be merged with itself. Choose another."})
    if row.status == Status.RETIRED or heir.status == Status.RETIRED:
        raise Invalid({"into": "Retired risks are not merged. Restore the risk first."})
    if version is not None:
        target(writer, Action("merge", "risk", heir.slug, {}, version), {})
    return heir


def _names_of_both(row: Risk, heir: Risk) -> list[str]:
    known = {heir.name.lower()}
    names = []
    for name in [*heir.aliases, row.name, *row.aliases]:
        if name.lower() not in known:
            known.add(name.lower())
            names.append(name)
    return names


def _repoint_all(writer: Writer, row: Risk, heir: Risk) -> None:
    for kind, name in referring(Risk):
        if kind.model._meta.get_field(name).many_to_many:
            _repoint_many(writer, kind, name, row, heir)
        else:
            found = kind.model._default_manager.filter(**{name: row})
            repoint(writer, kind, name, list(found.order_by("pk")), heir)


def repoint(writer: Writer, kind: Kind, name: str, rows: list[Any], heir: models.Model) -> None:
    """Point rows at ``heir``; one that would stand there twice is removed."""
    others = [field for field in _unique_with(kind, name) if field != name]
    peers = kind.model._default_manager.filter(**{name: heir})
    taken = set(peers.values_list(*others)) if others else set()
    for row in rows:
        place = tuple(getattr(row, kind.model._meta.get_field(n).attname) for n in others)  # type: ignore[union-attr]
        if others and place in taken:
            writer.delete(kind, row)
        else:
            writer.update(kind, row, {name: heir})
            taken.add(place)


def _unique_with(kind: Kind, name: str) -> list[str]:
    """The fields that, with ``name``, may occur once; the first such constraint."""
    for constraint in kind.model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and name in constraint.fields:
            return list(constraint.fields)
    return []


def _repoint_many(writer: Writer, kind: Kind, name: str, row: Risk, heir: Risk) -> None:
    for holder in kind.model._default_manager.filter(**{name: row}):
        rows = [one for one in getattr(holder, name).all() if one.pk not in (row.pk, heir.pk)]
        writer.update(kind, holder, {name: [*rows, heir]})


@handles("split")
def split(writer: Writer, action: Action) -> None:
    """Make a new risk out of one: ``new`` has its fields, ``take`` says what goes with it.

    ``take`` lists paper keys, mitigation slugs, mappings by number, and may name kinds of
    placement; what is not named stays.
    """
    given = dict(action.fields)
    new, take = given.pop("new", None), given.pop("take", {})
    if given or not isinstance(new, dict) or not isinstance(take, dict):
        raise Invalid({"fields": "Say new (the fields of the new risk) and take."})
    kind, row = target(writer, action, {})
    if not isinstance(row, Risk) or row.status == Status.RETIRED:
        raise Invalid({"op": "Only active risks are split."})
    wanted = decode(kind, new, (*kind.first, *kind.editable))
    wanted.setdefault("category", row.category)
    wanted.setdefault("stages", list(row.stages.all()))
    part = writer.create(kind, wanted)
    _take(writer, row, part, take)


TAKES = {
    "papers": ("placement", "paper__key__in"),
    "kinds": ("placement", "kind__in"),
    "mitigations": ("answer", "mitigation__slug__in"),
    "mappings": ("mapping", "pk__in"),
}


def _take(writer: Writer, row: Risk, part: Risk, take: dict[str, Any]) -> None:
    for what, names in take.items():
        if what not in TAKES or not isinstance(names, list):
            raise Invalid({"take": f"Give lists of {', '.join(TAKES)}."})
        name, lookup = TAKES[what]
        kind = get(name)
        try:
            found = list(kind.model._default_manager.filter(risk=row, **{lookup: names}))
        except (ValueError, TypeError):
            raise Invalid({"take": f"These are no {what}."}) from None
        repoint(writer, kind, "risk", sorted(found, key=lambda one: one.pk), part)
