"""Many placements at once: chosen by where they stand, then moved, retagged or removed."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from taxonomy.kinds import Kind, get

from .actions import Action, handles
from .errors import Invalid
from .nodes import not_to_retired
from .values import decode, named
from .writer import Writer

MOST = 2000
SELECT = ("risk", "category", "kind", "origin", "papers", "ids")
SET = ("risk", "category", "kind", "evidence", "origin")


@handles("bulk")
def bulk(writer: Writer, action: Action) -> None:
    """Change the placements that ``select`` names: ``set`` fields, ``remove`` or ``add`` them.

    ``{"select": {"risk": "a", "kind": "survey"}, "set": {"risk": "b"}}`` moves; ``add``
    places ``papers`` under a risk or category, as a kind.
    """
    if action.kind != "placement":
        raise Invalid({"kind": "Only placements are changed in bulk."})
    kind, fields = get("placement"), action.fields
    known = {"select", "set", "remove", "add"}
    if set(fields) - known or sum(name in fields for name in ("set", "remove", "add")) != 1:
        raise Invalid({"fields": "Say add; or select, and one of set and remove."})
    if "add" in fields:
        _add(writer, kind, fields["add"])
        return
    rows = list(_selected(kind, fields.get("select")).order_by("pk")[: MOST + 1])
    if not rows:
        raise Invalid({"select": "These values name no placements."})
    if len(rows) > MOST:
        raise Invalid({"select": f"More than {MOST} placements at once. Select fewer."})
    if "remove" in fields:
        for row in rows:
            writer.delete(kind, row)
    else:
        _set(writer, kind, rows, fields["set"])


def _selected(kind: Kind, select: Any) -> QuerySet[Any]:
    if not isinstance(select, dict) or not select or set(select) - set(SELECT):
        raise Invalid({"select": f"Say which, by {', '.join(SELECT)}."})
    found: QuerySet[Any] = kind.model._default_manager.select_for_update(of=("self",))
    try:
        for name, value in select.items():
            found = found.filter(**_where(kind, name, value))
        return found
    except (ValueError, TypeError, ValidationError):
        raise Invalid({"select": "These values name no placements."}) from None


def _where(kind: Kind, name: str, value: Any) -> dict[str, Any]:
    if name in ("papers", "ids"):
        if not isinstance(value, list) or len(value) > MOST:
            raise Invalid({"select": f"{name} is a list of at most {MOST}."})
        return {"paper__key__in" if name == "papers" else "pk__in": value}
    related: Any = kind.model._meta.get_field(name).related_model
    return {name: named(related, value) if related else value}


def _set(writer: Writer, kind: Kind, rows: list[Any], given: Any) -> None:
    if not isinstance(given, dict) or not given:
        raise Invalid({"set": f"Say what to set: {', '.join(SET)}."})
    wanted = decode(kind, given, SET)
    not_to_retired(wanted)
    places = [name for name in ("risk", "category") if wanted.get(name) is not None]
    if len(places) > 1:
        raise Invalid({"set": "A placement stands under a risk or a category, not both."})
    plain = {k: v for k, v in wanted.items() if k not in ("risk", "category")}
    if not places:
        for row in rows:
            writer.update(kind, row, plain)
        return
    other = "category" if places[0] == "risk" else "risk"
    _move(writer, kind, rows, places[0], other, {**plain, places[0]: wanted[places[0]]})


def _move(
    writer: Writer, kind: Kind, rows: list[Any], to: str, other: str, wanted: dict[str, Any]
) -> None:
    """Under another risk or category; a paper that stands there already is not put twice."""
    heir = wanted[to]
    there = set(kind.model._default_manager.filter(**{to: heir}).values_list("paper_id", flat=True))
    staying = [row for row in rows if getattr(row, f"{to}_id") == heir.pk]
    for row in staying:
        writer.update(kind, row, wanted)
    for row in (row for row in rows if row not in staying):
        if row.paper_id in there:
            writer.delete(kind, row)
        else:
            writer.update(kind, row, {**wanted, other: None})
            there.add(row.paper_id)


def _add(writer: Writer, kind: Kind, given: Any) -> None:
    papers = given.get("papers") if isinstance(given, dict) else None
    if not isinstance(papers, list) or not 0 < len(papers) <= MOST:
        raise Invalid({"add": f"Say papers (1 to {MOST} keys), a risk or category, and a kind."})
    rest = {name: value for name, value in given.items() if name != "papers"}
    wanted = decode(kind, rest, ("risk", "category", "kind", "evidence"))
    not_to_retired(wanted)
    for key in papers:
        row = decode(kind, {"paper": key}, ("paper",))
        where = {"risk": wanted.get("risk"), "category": wanted.get("category"), **row}
        if not kind.model._default_manager.filter(**where).exists():
            writer.create(kind, {"origin": "curated", **wanted, **row})
