"""Rows as a release had them: read from its snapshot alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from taxonomy import releases
from taxonomy.models import Release

PARTS = {
    "stage": "stages",
    "category": "categories",
    "risk": "risks",
    "mitigation": "mitigations",
    "direction": "directions",
}
Row = dict[str, Any]


def row(found: Release, kind: str, slug: str) -> Row | None:
    """One row with what belonged to it; None where the release has none such."""
    parts = releases.parts(found)
    known = {one["slug"]: one for one in parts.get(PARTS[kind], [])}
    if slug not in known:
        return None
    return {**known[slug], **_around(parts, kind, slug)}


def _around(parts: dict[str, list[Row]], kind: str, slug: str) -> Row:
    """Answers, mappings, papers by kind, and what stands below."""
    near: Row = {}
    for part in ("answers", "mappings", "placements"):
        rows = [one for one in parts.get(part, []) if one.get(kind) == slug]
        if rows and part == "placements":
            near["papers"] = dict(Counter(one["kind"] for one in rows))
        elif rows:
            near[part] = rows
    up = "parent" if kind == "category" else kind
    near["children"] = [
        _brief(one)
        for one in parts.get("categories", [])
        if one.get(up) == slug and (kind != "stage" or not one.get("parent"))
    ]
    near["risks"] = [_brief(one) for one in parts.get("risks", []) if one.get(kind) == slug]
    return {name: value for name, value in near.items() if value}


def _brief(one: Row) -> Row:
    return {"slug": one["slug"], "name": one["name"]}


def rows(found: Release, kind: str) -> list[Row]:
    """Every row of a kind."""
    return releases.parts(found).get(PARTS[kind], [])


def page(found: Release, kind: str, slug: str) -> Row | None:
    """The row as its page shows it: plain facts first, then lists."""
    one = row(found, kind, slug)
    if one is None:
        return None
    lists = {"answers", "mappings", "children", "risks", "papers"}
    facts = [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else value)
        for name, value in one.items()
        if name not in lists and value not in ("", None, [])
    ]
    return {"row": one, "facts": facts}
