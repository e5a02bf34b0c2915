"""What the reading room lets curation change: papers and where they belong."""

from __future__ import annotations

from kb.models import Paper, Placement
from taxonomy.kinds import Kind, register
from taxonomy.operations.releases import PARTS, Rows, plain


def _embed(rows: list[int]) -> None:
    """Changed texts are searchable at once; unchanged ones cost one small query."""
    from kb import search

    try:
        search.embed_stale()
    except search.EmbedderError:
        pass  # search by meaning is off, and says so; the vectors follow when it is back


def _placements() -> Rows:
    found = Placement.objects.order_by("paper__key", "risk__slug", "category__slug")
    place = {"paper": "paper__key", "risk": "risk__slug", "category": "category__slug"}
    return plain(found, "kind", "origin", **place)


def register_kinds() -> None:
    """Called once the models are there."""
    PARTS["placements"] = _placements
    register(
        Kind(
            "placement",
            Placement,
            editable=("risk", "category", "kind", "evidence"),
            first=("paper",),
            inner=("origin", "confidence"),
            key="pk",
            actor="placed_by",
            removable=True,
        )
    )
    register(
        Kind(
            "paper",
            Paper,
            editable=(
                "title",
                "authors",
                "year",
                "venue",
                "arxiv_id",
                "doi",
                "url",
                "summary",
                "summary_basis",
            ),
            key="key",
            after=_embed,
        )
    )
