"""Changes as pages show them: fields side by side, many alike placements in one table."""

from __future__ import annotations

from dataclasses import dataclass, field

from kb.models import Paper
from taxonomy.operations import Change

from .diffs import Line, lines, paths

INNER = {"position", "confidence"}
MOST = 100


@dataclass(frozen=True)
class ShownRow:
    """One changed row with its differing fields."""

    change: Change
    lines: list[Line]
    key: str = ""


@dataclass
class Shown:
    """What an item changes: rows to be read one by one, and placements as a table."""

    rows: list[ShownRow] = field(default_factory=list)
    placements: list[ShownRow] = field(default_factory=list)
    more: int = 0
    more_rows: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.placements)


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
        if change.kind != "placement":
            found.rows.append(row)
        elif len(found.placements) < MOST:
            found.placements.append(row)
        else:
            found.more += 1
    return found
