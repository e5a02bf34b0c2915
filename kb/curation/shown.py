"""Changes as pages show them: fields side by side, many alike placements in one table."""

from __future__ import annotations

from dataclasses import dataclass, field

from kb.models import Paper
from taxonomy.models import ChangeItem
from taxonomy.operations import Change

from .diffs import Line, lines, paths, text

INNER = {"position", "confidence"}
MOST = 100
# What is written of a row that only moves along with a risk.
ALONG = {"answer", "mapping"}
# Rows that people know by name come before what hangs on them.
FIRST = ("category", "risk", "mitigation", "direction", "paper")


@dataclass(frozen=True)
class ShownRow:
    """One changed row with its differing fields."""

    change: Change
    lines: list[Line]
    key: str = ""


@dataclass
class Shown:
    """What an item changes: rows to be read one by one, and what is many alike as tables."""

    rows: list[ShownRow] = field(default_factory=list)
    along: list[ShownRow] = field(default_factory=list)
    placements: list[ShownRow] = field(default_factory=list)
    more: int = 0
    more_rows: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.along or self.placements)


def changes_shown(groups: list[list[Change]]) -> list[Shown]:
    """Each group of changes made readable; two queries, however many."""
    where = paths() if any(groups) else {}
    keys = _paper_keys([c for group in groups for c in group if c.kind == "placement"])
    return [_shown(group, where, keys) for group in groups]


def _paper_keys(changes: list[Change]) -> dict[int, str]:
    """{placement's number: key of its paper}, as far as they are there."""
    found = Paper.objects.filter(placements__in=[c.id for c in changes])
    return dict(found.values_list("placements", "key")) if changes else {}


def _shown(changes: list[Change], where: dict[str, str], keys: dict[int, str]) -> Shown:
    found = Shown()
    for change in changes:
        before = {k: v for k, v in change.before.items() if k not in INNER}
        after = {k: v for k, v in change.after.items() if k not in INNER}
        if not before and not after:
            continue
        if change.kind != "placement" and len(found.rows) >= MOST:
            found.more_rows += 1
            continue
        row = ShownRow(change, lines(before, after, where), keys.get(change.id, ""))
        if change.kind in ALONG and _moves_along(change):
            found.along.append(row)
        elif change.kind != "placement":
            found.rows.append(row)
        elif len(found.placements) < MOST:
            found.placements.append(row)
        else:
            found.more += 1
    found.rows.sort(key=lambda row: row.change.kind not in FIRST)
    return found


def _moves_along(change: Change) -> bool:
    return change.action == "delete" or set(change.after) == {"risk"}


def said(item: ChangeItem) -> str:
    """An edit in a few words: what is done to what, and with what."""
    given, plain = item.fields, str(item)
    if item.op == ChangeItem.Op.MERGE:
        return f"{plain} into {given.get('into')}"
    if item.op == ChangeItem.Op.MOVE:
        under = given.get("parent") or given.get("category") or given.get("stage") or "the top"
        return f"{plain} under {under}"
    if item.op == ChangeItem.Op.SPLIT:
        return f"{plain}: new {(given.get('new') or {}).get('slug')}"
    if item.op == ChangeItem.Op.BULK:
        return f"{plain}s: {'; '.join(f'{name} {text(part)}' for name, part in given.items())}"
    if item.op == ChangeItem.Op.CREATE:
        return f"{plain}: {given.get('slug') or given.get('paper') or given.get('risk') or ''}"
    return plain
