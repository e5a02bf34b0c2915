"""What the reading room lets curation change: papers and where they belong."""

from __future__ import annotations

from kb.models import Paper, PaperRedirect, Placement, Proposal
from taxonomy.kinds import Kind, register
from taxonomy.operations.releases import PARTS, Rows, plain

AT_ONCE = 100


def _embed(rows: list[int]) -> None:
    """Changed texts are searchable at once; unchanged ones cost one small query.

    The vectors of very many are the worker's to make; till then words find them.
    """
    from kb import search, tasks

    if len(rows) > AT_ONCE:
        tasks.embed.defer()
        return
    try:
        search.embed_stale()
    except search.EmbedderError:
        pass  # search by meaning is off, and says so; the vectors follow when it is back


def _placements() -> Rows:
    found = Placement.objects.order_by("paper__key", "risk__slug", "category__slug")
    place = {"paper": "paper__key", "risk": "risk__slug", "category": "category__slug"}
    return plain(found, "kind", "origin", **place)


def _papers() -> Rows:
    facts = ("key", "title", "authors", "year", "venue", "arxiv_id", "doi", "url")
    return plain(Paper.objects.order_by("key"), *facts, "tldr", "summary", "status")


def _proposals() -> Rows:
    found = Proposal.objects.order_by("paper__key", "mitigation__slug")
    return plain(found, paper="paper__key", mitigation="mitigation__slug")


EDITABLE = (
    "title", "authors", "year", "venue", "arxiv_id", "doi", "url", "tldr", "summary",
    "summary_basis",
)  # fmt: skip
INNER = ("key", "lists", "survey_cited", "status", "abstract", "abstract_source", "extra")


def _placement() -> Kind:
    return Kind(
        "placement",
        Placement,
        editable=("risk", "category", "kind", "evidence"),
        first=("paper",),
        inner=("origin", "confidence"),
        key="pk",
        actor="placed_by",
        removable=True,
    )


def register_kinds() -> None:
    """Called once the models are there."""
    from . import merging

    PARTS.update(placements=_placements, papers=_papers, proposals=_proposals)
    register(_placement())
    register(
        Kind(
            "paper",
            Paper,
            editable=EDITABLE,
            inner=INNER,
            key="key",
            after=_embed,
            onward=merging.onward,
            merge=merging.merge,
        )
    )
    # These follow their papers through merges and imports; nobody edits them by themselves.
    register(Kind("proposal", Proposal, editable=(), first=("paper", "mitigation"), key="pk"))
    register(Kind("redirect", PaperRedirect, editable=(), first=("old_key", "paper"), key="pk"))
