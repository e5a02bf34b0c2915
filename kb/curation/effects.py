"""What a change set does to meaning: papers whose nearest neighbours would be others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kb import search
from kb.models import Paper
from taxonomy.operations import Change

NEIGHBOURS = 10
MOST = 20
TEXT = {"title", "summary", "abstract"}


@dataclass(frozen=True)
class Effect:
    """The neighbours of a paper that come and go with its new text."""

    paper: Paper
    coming: list[Paper]
    going: list[Paper]


def neighbours(changes: list[Change]) -> list[Effect]:
    """For each paper whose embedded text would change, its ten nearest before and after.

    Placements and the tree do not enter vectors, so only texts of papers matter here.
    Raises EmbedderError where search by meaning is off.
    """
    texts: dict[int, dict[str, Any]] = {}
    for change in changes:
        if change.kind == "paper" and change.action == "update":
            new = {k: v for k, v in change.after.items() if k in TEXT}
            if new:
                texts.setdefault(change.id, {}).update(new)
    return [found for pk in list(texts)[:MOST] if (found := _effect(pk, texts[pk]))]


def _effect(pk: int, new: dict[str, Any]) -> Effect | None:
    paper = Paper.objects.get(pk=pk)
    others = Paper.objects.exclude(pk=pk)
    before = [near for near, _ in search.similar(paper, Paper.objects.all(), NEIGHBOURS)]
    for name, value in new.items():
        setattr(paper, name, value)
    ranking = search.rank(paper.text, others, search.Mode.SEMANTIC, NEIGHBOURS)
    after = [hit.paper_id for hit in ranking.hits][:NEIGHBOURS]
    rows = Paper.objects.only("key", "title").in_bulk({*before, *after})
    coming = [rows[near] for near in after if near not in before]
    going = [rows[near] for near in before if near not in after]
    return Effect(paper, coming, going) if coming or going else None
