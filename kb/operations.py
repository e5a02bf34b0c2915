"""Every write to papers: keyword-only, atomic, and naming where it comes from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import pghistory
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from evals.engine.spec import Spec
from evals.operations import NotOffered
from kb import search
from kb.harvest.arxiv import Arxiv, Entry
from kb.models import Paper
from taxonomy.models import Mitigation, Status

SAME_TITLE = 0.6
SHORTEST = 40


def harvest(
    *, client: Arxiv, limit: int | None = None, report: Callable[[int, int], None] | None = None
) -> Counter[str]:
    """Fetch the abstracts that are missing; return counts of what became of them.

    Each batch is stored and searchable at once, so it goes on where it stopped. What arXiv
    does not know, or was withdrawn, is not asked for again. Raises Unreachable.
    """
    waiting = list(missing()[:limit].values_list("arxiv_id", flat=True))
    counts: Counter[str] = Counter()
    done = 0
    for asked, entries in client.entries(waiting):
        counts += store_entries(asked=asked, entries=entries, source="arXiv API")
        search.embed_stale()
        done += len(asked)
        if report:
            report(done, len(waiting))
    return counts


def missing() -> QuerySet[Paper]:
    """Papers on arXiv that nobody has asked for an abstract of, the curated ones first."""
    return (
        Paper.objects.filter(abstract="", abstract_at=None)
        .exclude(arxiv_id="")
        .order_by("status", "-year", "key")
    )


@transaction.atomic
def store_entries(*, asked: Sequence[str], entries: Iterable[Entry], source: str) -> Counter[str]:
    """Store what arrived for ``asked``; an entry under another title is not believed."""
    papers = {p.arxiv_id: p for p in Paper.objects.filter(arxiv_id__in=asked).select_for_update()}
    found = {entry.arxiv_id: entry for entry in entries}
    counts: Counter[str] = Counter()
    with pghistory.context(reason=f"abstracts from {source}"):
        for arxiv_id, paper in papers.items():
            counts[_take(paper, found.get(arxiv_id), source)] += 1
    return counts


def _take(paper: Paper, entry: Entry | None, source: str) -> str:
    """Fill in one paper; return what became of it."""
    paper.abstract_at = timezone.now()
    outcome = "stored"
    if entry is None:
        outcome = "unknown"
    elif entry.withdrawn:
        outcome = "withdrawn"
    elif not alike(entry.title, paper.title):
        outcome = "other title"
    elif len(entry.abstract) < SHORTEST:
        outcome = "empty"
    else:
        paper.abstract, paper.abstract_source = entry.abstract, source
        paper.authors = paper.authors or list(entry.authors)
    paper.save(update_fields=["abstract", "abstract_source", "abstract_at", "authors"])
    return outcome


def alike(one: str, other: str) -> bool:
    """Whether two titles are the same but for case, spaces and small changes."""
    return SequenceMatcher(None, one.lower(), other.lower()).ratio() >= SAME_TITLE


class BadRow(ValueError):
    """A row of an import that cannot be used; names the line and the reason."""


def import_abstracts(*, path: Path, source: str) -> Counter[str]:
    """Store abstracts from a JSON-lines file of ``key``, ``title`` and ``abstract``.

    All or nothing: raises BadRow at the first line that is not such a row. Rows of papers
    that are not here are counted and left.
    """
    counts: Counter[str] = Counter()
    with transaction.atomic(), pghistory.context(reason=f"abstracts from {source}"):
        papers = {paper.key: paper for paper in Paper.objects.filter(abstract="")}
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                key, entry = _row(number, line)
                paper = papers.get(key) or papers.get(f"arxiv:{key}")
                counts[_take(paper, entry, source) if paper else "not here"] += 1
    search.embed_stale()
    return counts


def _row(number: int, line: str) -> tuple[str, Entry]:
    try:
        row = json.loads(line)
        key, title, abstract = str(row["key"]), str(row["title"]), " ".join(row["abstract"].split())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadRow(f"line {number} is no row with key, title and abstract") from None
    return key, Entry(key, title, abstract, (), withdrawn=False)


def harvesting() -> bool:
    """Whether the background may fetch abstracts (``KB_HARVEST``)."""
    return bool(settings.HARVEST)


def refuse_retired(spec: Spec) -> None:
    """Raise NotOffered where curators have retired the mitigation that a run asks for."""
    found = Mitigation.objects.filter(slug=spec.mitigation, status=Status.RETIRED)
    if found.exists():
        raise NotOffered(
            f"{spec.mitigation} is retired and is not run any more. Its stored runs stay."
        )
