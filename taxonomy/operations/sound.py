"""The tree after a change: what is active stands under what is active, in its stage."""

from __future__ import annotations

from typing import Any

from taxonomy.kinds import get
from taxonomy.models import Category, Direction, Risk, Status

from .errors import Invalid
from .writer import Change, Writer


def settle(writer: Writer, changes: list[Change]) -> None:
    """Put what stands under moved headings into their stage; raises Invalid at a misfit.

    Undoing is what may lead here: a heading goes back, and something was hung under it
    meanwhile; a heading is retired again, and somebody had filled it.
    """
    for node in _changed(Category, "category", changes):
        _one_stage(writer, node)
        if node.status == Status.RETIRED:
            refuse_full(node)
        elif node.parent is not None and node.parent.status == Status.RETIRED:
            raise Invalid({"detail": f"{node} would stand under {node.parent}, which is retired."})
    leaves = [*_changed(Risk, "risk", changes), *_changed(Direction, "direction", changes)]
    for leaf in leaves:
        home = leaf.category
        if leaf.status == Status.ACTIVE and home.status == Status.RETIRED:
            raise Invalid({"detail": f"{leaf} would stand under {home}, which is retired."})


def _changed(model: type, name: str, changes: list[Change]) -> list[Any]:
    ids = {change.id for change in changes if change.kind == name}
    manager = model._default_manager  # type: ignore[attr-defined]
    return list(manager.filter(pk__in=ids)) if ids else []


def _one_stage(writer: Writer, node: Category) -> None:
    top = node.parent.stage if node.parent else node.stage
    for one in node.descendants(include_self=True):
        writer.update(get("category"), one, {"stage": top})


def refuse_full(row: Category) -> None:
    """Raises Invalid where anything active stands under a category."""
    inside = [str(node) for node in row.children.filter(status=Status.ACTIVE)]
    for leaves in (row.risks, row.directions):
        inside += [str(leaf) for leaf in leaves.filter(status=Status.ACTIVE)]
    if inside:
        names = ", ".join(inside[:5]) + (f" and {len(inside) - 5} more" if inside[5:] else "")
        raise Invalid({"op": f"Move what is under {row} first: {names}."})
