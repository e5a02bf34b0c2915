"""Edits of single rows: set fields, make, remove, move in the tree, retire, restore."""

from __future__ import annotations

from typing import Any

from taxonomy.kinds import Kind, get
from taxonomy.models import Category, Direction, Mapping, Risk, Status

from .actions import Action, handles, target, values
from .errors import Invalid
from .sound import refuse_full
from .values import decode, find, kind_of
from .writer import Writer


@handles("edit")
def edit(writer: Writer, action: Action) -> None:
    """Set fields of a row; a mapping looked at again is a mapping to the present version."""
    kind, row = target(writer, action, action.fields)
    wanted = values(action, kind, kind.editable)
    if isinstance(row, Mapping):
        wanted["framework_version"] = row.entry.framework.version
    if "origin" in kind.inner:
        wanted["origin"] = "curated"
    not_to_retired(wanted)
    writer.update(kind, row, wanted)


@handles("create")
def create(writer: Writer, action: Action) -> None:
    """Make a row; a category takes its parent's stage, and stands last among its siblings."""
    kind = kind_of(action.kind)
    allowed = (*kind.first, *kind.editable)
    wanted = {**_born(kind), **values(action, kind, allowed)}
    missing = [name for name in _needed(kind) if wanted.get(name) in (None, "", [])]
    if missing:
        raise Invalid(dict.fromkeys(missing, "This is needed."))
    not_to_retired(wanted)
    if kind.model is Category:
        if wanted.get("parent"):
            wanted["stage"] = wanted["parent"].stage
        wanted["position"] = _last_position()
    if kind.model is Direction:
        last = Direction.objects.order_by("-position").values_list("position", flat=True).first()
        wanted["position"] = (last or 0) + 1
    if kind.model is Mapping:
        wanted["framework_version"] = wanted["entry"].framework.version
    writer.create(kind, wanted)


def _born(kind: Kind) -> dict[str, Any]:
    """What a new row is unless said otherwise."""
    if kind.model is Category:
        return {"origin": "ours"}
    return {"origin": "curated"} if "origin" in kind.inner else {}


def _needed(kind: Kind) -> list[str]:
    """Relations without which a row cannot be; plain fields are checked by the model."""
    fields = [kind.model._meta.get_field(name) for name in (*kind.first, *kind.editable)]
    named = [f for f in fields if f.is_relation or f.name == "slug"]
    skip = {"stage"} if kind.model is Category else set()
    return [
        f.name
        for f in named
        if not getattr(f, "null", False) and not getattr(f, "blank", False) and f.name not in skip
    ]


def _last_position() -> int:
    last = Category.objects.order_by("-position").values_list("position", flat=True).first()
    return (last or 0) + 1


def not_to_retired(wanted: dict[str, Any]) -> None:
    """Nothing new is put under a retired risk or category."""
    for name in ("risk", "category", "parent"):
        row = wanted.get(name)
        if row is not None and row.status == Status.RETIRED:
            heir = row.heir() if isinstance(row, Risk) else row
            hint = f" It was merged into {heir.slug!r}." if heir is not row else ""
            raise Invalid({name: f"{row} is retired.{hint}"})


@handles("delete")
def delete(writer: Writer, action: Action) -> None:
    """Remove a placement, an answer or a mapping; named nodes are retired instead."""
    kind, row = target(writer, action, {})
    if not kind.removable:
        raise Invalid({"op": f"A {kind.name} keeps its address for ever: retire it instead."})
    writer.delete(kind, row)


@handles("retire")
def retire(writer: Writer, action: Action) -> None:
    """Take a row out of the lists; its address goes on working."""
    kind, row = target(writer, action, {})
    if not kind.retirable:
        raise Invalid({"op": f"A {kind.name} cannot be retired."})
    if row.status == Status.RETIRED:
        raise Invalid({"op": f"{row} is retired already."})
    if isinstance(row, Category):
        refuse_full(row)
    writer.update(kind, row, {"status": Status.RETIRED.value})


@handles("restore")
def restore(writer: Writer, action: Action) -> None:
    """Bring a retired row back; undoing a merge brings its papers back too, this does not."""
    kind, row = target(writer, action, {})
    if not kind.retirable:
        raise Invalid({"op": f"A {kind.name} cannot be retired, so neither restored."})
    if row.status == Status.ACTIVE:
        raise Invalid({"op": f"{row} is not retired."})
    wanted: dict[str, Any] = {"status": Status.ACTIVE.value}
    if isinstance(row, Risk):
        wanted["merged_into"] = None
    under = isinstance(row, Risk | Direction)
    home = row.category if under else getattr(row, "parent", None)
    if home is not None and home.status == Status.RETIRED:
        raise Invalid({"op": f"It stands under {home}, which is retired: restore that first."})
    writer.update(kind, row, wanted)


@handles("move")
def move(writer: Writer, action: Action) -> None:
    """Hang a category under another (``parent``, or ``stage`` for the top), before a sibling.

    A risk moves to another ``category``. What stands under a category goes with it.
    """
    if action.kind == "risk":
        kind, row = target(writer, action, action.fields)
        wanted = values(action, kind, ("category",))
        not_to_retired(wanted)
        writer.update(kind, row, wanted)
    elif action.kind == "category":
        _move_category(writer, action)
    else:
        raise Invalid({"op": f"A {action.kind} does not stand in the tree."})


def _move_category(writer: Writer, action: Action) -> None:
    fields = dict(action.fields)
    before = fields.pop("before", None)
    kind, row = target(writer, action, fields)
    wanted = decode(kind, fields, ("parent", "stage"))
    parent = wanted.get("parent", row.parent if "stage" not in wanted else None)
    _refuse_circle(row, parent)
    not_to_retired({"parent": parent})
    stage = parent.stage if parent else wanted.get("stage", row.stage)
    writer.update(kind, row, {"parent": parent, "stage": stage})
    for node in row.descendants():
        writer.update(kind, node, {"stage": stage})
    _order(writer, kind, row, parent, before)


def _refuse_circle(row: Category, parent: Category | None) -> None:
    if parent is not None and parent in row.descendants(include_self=True):
        raise Invalid({"parent": f"{row} cannot be moved under itself, and {parent} stands there."})


def _order(
    writer: Writer, kind: Kind, row: Category, parent: Category | None, before: str | None
) -> None:
    """Give the siblings rising positions, changing as few as needed."""
    siblings = list(Category.objects.filter(parent=parent, stage=row.stage).exclude(pk=row.pk))
    at = len(siblings)
    if before:
        mark = find(get("category"), before)
        if mark not in siblings:
            raise Invalid({"before": f"{mark} is not a sibling there."})
        at = siblings.index(mark)
    last = -1
    for node in [*siblings[:at], row, *siblings[at:]]:
        position = max(node.position, last + 1)
        if node.pk == row.pk:
            position = _room(siblings, at, last)
        writer.update(kind, node, {"position": position})
        last = position


def _room(siblings: list[Category], at: int, last: int) -> int:
    """A position after ``last``; where the node goes to the end, well after it."""
    return last + 1 if at < len(siblings) else max(last + 1, _last_position())
