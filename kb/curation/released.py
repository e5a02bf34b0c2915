"""One row as a release had it: read from its snapshot alone. Lists are in released_lists."""

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
    "paper": "papers",
}
# What a row is read with besides its own part.
BESIDE = ("answers", "mappings", "placements", "proposals", "categories", "risks")
LISTS = {"answers", "mappings", "children", "risks", "papers", "placements", "proposals"}
# The facts that people look for first, in order, and what they are called.
CALLED = {
    "authors": "Authors",
    "year": "Year",
    "venue": "Venue",
    "arxiv_id": "arXiv",
    "doi": "DOI",
    "url": "Address",
    "aliases": "Also called",
    "stage": "Stage",
    "stages": "Stages",
    "category": "Category",
    "parent": "Under",
    "attacker_needs": "It takes",
    "harm": "Harm",
    "cost": "Cost",
    "key": "Key",
    "status": "Status",
}
# Shown otherwise, or nobody's business.
INNER = {"definition", "tldr", "summary", "slug", "position"}
Row = dict[str, Any]


def row(found: Release, kind: str, slug: str) -> Row | None:
    """One row with what belonged to it; None where the release has none such."""
    parts = releases.parts(found, PARTS[kind], *BESIDE)
    own = parts.get(PARTS[kind], [])
    name = "key" if kind == "paper" else "slug"
    known = next((one for one in own if one[name] == slug), None)
    near = _around(parts, kind, slug)
    if known is None and "papers" not in parts and kind == "paper" and near:
        known = {"key": slug}  # an early release: it says where a paper stood, not its title
    return None if known is None else {**known, **near}


def _around(parts: dict[str, list[Row]], kind: str, slug: str) -> Row:
    """Answers, mappings, papers (by kind, or where one stands), and what stands below."""
    near: Row = {}
    for part in ("answers", "mappings", "placements", "proposals"):
        rows = [one for one in parts.get(part, []) if one.get(kind) == slug]
        if rows and part == "placements" and kind != "paper":
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


def page(found: Release, kind: str, slug: str) -> Row | None:
    """The row as its page shows it: its name, what it is, then plain facts, then lists."""
    one = row(found, kind, slug)
    if one is None:
        return None
    named = "title" if kind == "paper" else "name"
    told = [*CALLED, *sorted(one.keys() - CALLED.keys() - LISTS - INNER - {named})]
    facts = [
        (CALLED.get(name, name.replace("_", " ").capitalize()), value)
        for name in told
        if (value := _said(one.get(name))) and name not in LISTS - {"stages"}
    ]
    lead = one.get("definition") or one.get("tldr") or one.get("summary") or ""
    return {"row": one, "facts": facts, "name": one.get(named) or slug, "lead": lead}


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
