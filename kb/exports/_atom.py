"""A list of papers as an Atom feed (RFC 4287)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from django.utils.feedgenerator import Atom1Feed

from kb.models import Paper

NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def atom(papers: Sequence[Paper], title: str, address: str, absolute: Callable[[str], str]) -> str:
    """The feed; each paper has ``changed_at``, and ``absolute`` makes a path an address."""
    feed = Atom1Feed(
        title=_printable(title),
        link=absolute(address),
        description="",
        feed_url=absolute(address),
        language="en",
    )
    for paper in papers:
        page = absolute(paper.get_absolute_url())
        feed.add_item(
            title=_printable(paper.title),
            link=page,
            description=_printable(paper.summary),
            unique_id=page,
            author_name=_printable(", ".join(paper.authors)) or None,
            updateddate=getattr(paper, "changed_at", None) or NEVER,
        )
    return feed.writeString("utf-8")


def _printable(text: str) -> str:
    """Text that XML may hold."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
