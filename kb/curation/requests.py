"""From a request to an edit: at once, or into a change set; the same for pages and API."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from taxonomy.models import ChangeItem, ChangeSet, EditDraft
from taxonomy.operations import Action, Missing, Result, changesets, perform
from taxonomy.operations.actions import require
from taxonomy.operations.values import encoded, find, kind_of

from .forms import NEW_SET

# What the drafts of rows that are not yet there are kept under.
NEW_ROW = "new:"
MOST_DRAFTS = 50


def carry_out(
    action: Action, *, by: Any, note: str, into: str = "", dry_run: bool = False
) -> Result | ChangeItem:
    """Perform at once where ``into`` is empty, else add to that change set (``new``: a new one).

    Raises what the operations raise. A form's saved draft ends with it.
    """
    if not into:
        done: Result | ChangeItem = perform(action=action, by=by, note=note, dry_run=dry_run)
    else:
        done = changesets.add(changeset=_set(action, by, note, into), action=action, by=by)
    if not dry_run and action.key:
        EditDraft.objects.filter(user=by, kind=action.kind, key=action.key).delete()
    return done


def _set(action: Action, by: Any, note: str, into: str) -> ChangeSet:
    require(by, "propose")
    if into == NEW_SET:
        title = f"{action.op.capitalize()} {action.kind} {action.key}".strip()
        return changesets.draft(by=by, title=title[:200], rationale=note)
    if into.isdecimal() and len(into) < 19 and (found := ChangeSet.objects.filter(pk=into).first()):
        return found
    raise Missing(f"There is no change set {into[:20]!r}.")


def drafts_of(user: Any) -> list[EditDraft]:
    """What somebody has begun to type, newest first, each with ``called`` and ``opens``."""
    found = list(EditDraft.objects.filter(user=user).order_by("-saved_at")[:MOST_DRAFTS])
    for draft in found:
        new = draft.key.startswith(NEW_ROW)
        known = draft.key.removeprefix(NEW_ROW)
        draft.called = f"new {draft.kind}" if new else f"{draft.kind} {known}"  # type: ignore[attr-defined]
        address = reverse("create", args=[draft.kind]) if new else ""
        draft.opens = f"{address}?{known}" if new else reverse("edit", args=[draft.kind, known])  # type: ignore[attr-defined]
    return found


def current(kind_name: str, key: str) -> tuple[Any, Any, dict[str, Any]]:
    """(kind, row, plain values of what can be edited); raises Missing."""
    kind = kind_of(kind_name)
    row = find(kind, key)
    return kind, row, encoded(row, kind.editable)
