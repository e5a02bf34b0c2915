"""Differences made readable: words within texts, paths in the tree, lists by lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from taxonomy.models import Category

TOKENS = re.compile(r"\s+|\w+|[^\w\s]")
MOST = 20_000
NAMES = {"parent", "category"}
# So few words in common are chance, between stretches of so many tokens that are not.
FEW, MUCH = 2, 4
Block = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class Piece:
    """A stretch of text that is in both (``same``), only before (``gone``) or only after."""

    how: str
    text: str


@dataclass(frozen=True)
class Line:
    """One field of one row, before and after."""

    field: str
    before: str
    after: str
    pieces: list[Piece]


def words(before: str, after: str) -> list[Piece]:
    """The two texts woven together, word by word (Ratcliff and Obershelp, by difflib)."""
    old, new = TOKENS.findall(before[:MOST]), TOKENS.findall(after[:MOST])
    pieces: list[Piece] = []
    for how, a, b, c, d in _blocks(old, new):
        if how == "equal":
            pieces.append(Piece("same", "".join(old[a:b])))
            continue
        if b > a:
            pieces.append(Piece("gone", "".join(old[a:b])))
        if d > c:
            pieces.append(Piece("new", "".join(new[c:d])))
    return pieces


def _blocks(old: list[str], new: list[str]) -> list[Block]:
    """The opcodes, where a word or two that both texts happen to share counts as rewritten."""
    found: list[Block] = []
    codes = SequenceMatcher(str.isspace, old, new, autojunk=False).get_opcodes()
    for place, (how, a, b, c, d) in enumerate(codes):
        inside = 0 < place < len(codes) - 1
        rewritten = how != "equal" or (inside and _few(old[a:b]) and _much(codes, place))
        if found and rewritten and found[-1][0] != "equal":
            found[-1] = ("replace", found[-1][1], b, found[-1][3], d)
        else:
            found.append(("replace" if rewritten else "equal", a, b, c, d))
    return found


def _few(tokens: list[str]) -> bool:
    return sum(token.isalnum() for token in tokens) <= FEW


def _much(codes: Any, place: int) -> bool:
    """Whether much was rewritten on both sides of a block."""
    sides = (codes[place - 1], codes[place + 1])
    return all(max(b - a, d - c) > MUCH for _, a, b, c, d in sides)


def paths() -> dict[str, str]:
    """{slug: the way down to it} of every category; one query."""
    rows = {
        row.pk: row for row in Category.objects.only("pk", "slug", "name", "number", "parent_id")
    }
    return {row.slug: " › ".join(_above(rows, row)) for row in rows.values()}


def _above(rows: dict[int, Category], row: Category) -> list[str]:
    way: list[str] = []
    at: Category | None = row
    while at is not None:
        way.append(str(at))
        at = rows.get(at.parent_id) if at.parent_id else None
    return way[::-1]


def text(value: Any) -> str:
    """A plain value as text."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(text(one) for one in value)
    if isinstance(value, dict):
        return "; ".join(f"{k}: {text(v)}" for k, v in value.items())
    return str(value)


def lines(before: dict[str, Any], after: dict[str, Any], where: dict[str, str]) -> list[Line]:
    """The fields of a change that somebody should see, tree positions as paths."""
    found = []
    for name in after or before:
        old, new = (_shown(name, side.get(name), where) for side in (before, after))
        if old or new:
            found.append(Line(name.replace("_", " "), old, new, words(old, new)))
    return found


def _shown(name: str, value: Any, where: dict[str, str]) -> str:
    if name in NAMES and isinstance(value, str):
        return where.get(value, value)
    return text(value)
