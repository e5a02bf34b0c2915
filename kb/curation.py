"""What the reading room lets curation change: papers and where they belong."""

from __future__ import annotations

from taxonomy.kinds import Kind, register

from .models import Paper, Placement


def _embed(rows: list[int]) -> None:
    """Changed texts are searchable at once; unchanged ones cost one small query."""
    from kb import search

    try:
        search.embed_stale()
    except search.EmbedderError:
        pass  # search by meaning is off, and says so; the vectors follow when it is back


def register_kinds() -> None:
    """Called once the models are there."""
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
