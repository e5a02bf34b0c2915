"""How many papers stand under each risk and category: what a change does to the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count as Counted

from taxonomy.models import Category, Risk

from .writer import Change

Table = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Count:
    """Papers under a risk or straight under a category, before and after a change."""

    kind: str
    key: str
    before: int
    after: int


def everywhere() -> Table:
    """Distinct papers by (kind, slug); two queries."""
    papers = Counted("placements__paper", distinct=True)
    found: Table = {}
    for kind, model in (("risk", Risk), ("category", Category)):
        rows: Any = model.objects.order_by().annotate(papers=papers)
        found |= {(kind, slug): n for slug, n in rows.values_list("slug", "papers")}
    return found


def compare(before: Table, after: Table, changes: list[Change]) -> list[Count]:
    """Where numbers differ, and the rows themselves that were changed."""
    named = {(c.kind, c.key) for c in changes if c.kind in {"risk", "category"}}
    keys = {key for key in before | after if before.get(key, 0) != after.get(key, 0)} | named
    return [Count(*key, before.get(key, 0), after.get(key, 0)) for key in sorted(keys)]
