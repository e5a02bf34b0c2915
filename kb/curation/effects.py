"""What a change set does to meaning: rankings of papers and of known queries that would change."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from kb import search
from kb.models import Paper
from taxonomy.models import ChangeSet
from taxonomy.operations import Change, changesets

QUERIES = settings.BASE_DIR / "bench/search/queries.jsonl"
TEXT = {"title", "tldr", "summary", "abstract"}
PLACE = {"risk", "category", "paper", "origin"}
MOST = 20


@dataclass(frozen=True)
class Moved:
    """A paper that changes its rank, comes into the first ten or leaves them."""

    paper: Paper
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Ranking:
    """A ranking that would be another: the neighbours of a paper, or a query's answers."""

    name: str
    label: str
    url: str
    moves: list[Moved]

    @property
    def said(self) -> str:
        """In a few words: how many papers come, go and change places."""
        coming = sum(move.before is None for move in self.moves)
        going = sum(move.after is None for move in self.moves)
        left = len(self.moves) - coming - going
        words = ((coming, "new"), (going, "gone"), (left, "in another place"))
        return ", ".join(f"{count} {word}" for count, word in words if count)


@dataclass
class Effects:
    """Everything that would be ranked otherwise; ``left_out`` papers with new texts were not
    looked at, since there are too many."""

    neighbours: list[Ranking] = field(default_factory=list)
    queries: list[Ranking] = field(default_factory=list)
    papers_looked_at: int = 0
    queries_looked_at: int = 0
    queries_known: int = 0
    left_out: int = 0


@lru_cache(maxsize=1)
def known_queries() -> dict[str, str]:
    """{id: text} of the queries that ship with the test collection of the search."""
    if not QUERIES.exists():
        return {}
    rows = [json.loads(line) for line in QUERIES.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: row["text"] for row in rows}


def of(changeset: ChangeSet, by: Any) -> Effects:
    """The effect of a set that is not published; nothing is written.

    Raises EmbedderError where search by meaning is off.
    """
    changed: list[int] = []

    def look(changes: list[Change]) -> search.Supposition:
        changed.extend(_papers(changes))
        placed = dict.fromkeys(c.id for c in changes if c.kind == "placement" and _moves(c))
        terms = any(change.kind in {"risk", "mitigation"} for change in changes)
        return search.suppose(changed[:MOST], list(placed), terms)

    supposed = changesets.preview(changeset=changeset, by=by, look=look).looked
    found = search.effect(supposed, known_queries())
    return _shown(found, supposed, max(len(changed) - MOST, 0))


def _search(text: str) -> str:
    return f"{reverse('search')}?{urlencode({'q': text})}"


def _papers(changes: list[Change]) -> list[int]:
    """The papers whose embedded text changes, each once."""
    texts = (c for c in changes if c.kind == "paper" and TEXT & {*c.before, *c.after})
    return list(dict.fromkeys(change.id for change in texts))


def _moves(change: Change) -> bool:
    return bool(PLACE & {*change.before, *change.after})


def _shown(found: search.Effect, supposed: search.Supposition, left_out: int) -> Effects:
    named = {move.paper_id for moves in found.neighbours.values() for move in moves}
    named |= {move.paper_id for moves in found.queries.values() for move in moves}
    rows = Paper.objects.only("key", "title").in_bulk({*named, *found.neighbours})

    def moved(moves: list[search.Move]) -> list[Moved]:
        known = [move for move in moves if move.paper_id in rows]
        return [Moved(rows[move.paper_id], move.before, move.after) for move in known]

    papers = [(rows[pk], moves) for pk, moves in found.neighbours.items() if pk in rows]
    texts = known_queries()
    return Effects(
        [Ranking(p.key, p.title, p.get_absolute_url(), moved(m)) for p, m in papers],
        [Ranking(n, texts[n], _search(texts[n]), moved(m)) for n, m in found.queries.items()],
        found.papers_looked_at,
        found.queries_looked_at,
        len(texts),
        left_out,
    )
