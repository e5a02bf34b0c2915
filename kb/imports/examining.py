"""The slow part of a preview: identifiers looked up, new rows compared by meaning.

A new row's text, its abstract included where it has one, is embedded once: the vector finds
what is near, and is the paper's own if the row is confirmed. A row may be a paper that is
here under another title where the two texts are nearly the same; where they are near and the
titles share most words, or the papers several authors; or where one title is a part of the
other, as when a nickname or a subtitle came or went. The thresholds were chosen on 300 papers
of the library, and are measured on 300 others by ``make bench-imports``
(``bench/imports.json``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from kb import search
from kb.harvest.records import Record
from kb.models import Paper

from .lookup import looked_up
from .match import Matcher, Status, Verdict, shared_authors
from .models import ImportRow, PaperImport

PART = 64
NEIGHBOURS = 10
SURE = 0.97  # cosine from which two texts are shown as perhaps one paper
LIKELY, SAME_WORDS = 0.78, 0.6  # the same, where the titles share so many of their words
AKIN, SAME_AUTHORS = 0.85, 3  # the same, where so many authors are common
RELATED, PART_OF = 0.4, 0.9  # the same, where so much of the shorter title is in the other
TELLING = 25  # letters below which a title may be a part of any other
TEXTS = ("title", "tldr", "abstract", "summary")  # of which a paper's vector is made


def waiting(batch: PaperImport) -> Any:
    """The rows that are still to be looked up or compared."""
    return batch.rows.filter(examined=False).order_by("number")


def examine(pk: int, report: Callable[[int, int], None] | None = None) -> None:
    """Work through what waits, part by part; each part is stored at once.

    Stops where the import has been confirmed or dropped meanwhile.
    """
    batch = PaperImport.objects.filter(pk=pk).first()
    if batch is None:
        return
    total, done, titles = waiting(batch).count(), 0, Matcher().titles
    while True:
        part = list(waiting(batch).defer("vector")[:PART])
        with_titles = _with_titles(part, titles)
        note = _compare(with_titles)
        if not _store(batch, part, note):
            return
        done += len(part)
        if report and part:
            report(done, total)


@transaction.atomic
def _store(batch: PaperImport, part: Sequence[ImportRow], note: str) -> bool:
    """Keep what was found; whether there may be more to do."""
    held = PaperImport.objects.select_for_update().filter(pk=batch.pk).first()
    if held is None or held.state != PaperImport.State.EXAMINING:
        return False
    for row in part:
        row.examined = True
    columns = ["status", "choice", "reason", "record", "paper", "same_row", "similarity"]
    ImportRow.objects.bulk_update(part, [*columns, "examined", "vector"], batch_size=PART)
    if not part:
        held.state = PaperImport.State.READY
    held.note = note or held.note
    held.save(update_fields=["state", "note"])
    return bool(part)


def decide(row: ImportRow, verdict: Verdict) -> None:
    """Write a verdict onto a row."""
    row.status, row.choice, row.reason = verdict.status, verdict.choice, verdict.reason
    row.paper, row.same_row, row.similarity = verdict.paper, verdict.same_row, verdict.similarity


def _with_titles(part: Sequence[ImportRow], titles: dict[str, int]) -> list[ImportRow]:
    """The rows of a part that are new, once those without a title have been looked up."""
    records = {row.number: Record.from_dict(row.record) for row in part}
    bare = [row for row in part if not records[row.number].title]
    if bare:
        told = looked_up([records[row.number] for row in bare])
        verdicts = Matcher(titles).judge(told)
        for row, record, verdict in zip(bare, told, verdicts, strict=True):
            row.record = record.to_dict()
            decide(row, verdict)
    return [row for row in part if row.status == Status.NEW]


def _compare(rows: Sequence[ImportRow]) -> str:
    """Mark the rows that may be papers that are here; a note where that cannot be told."""
    if not rows:
        return ""
    records = [Record.from_dict(row.record) for row in rows]
    try:
        vectors = search.encode([text_of(record) for record in records])
    except search.EmbedderError as error:
        return f"Not compared by meaning: {error}"
    near = [search.nearest(vector, NEIGHBOURS) for vector in vectors]
    ids = {pk for found in near for pk, _ in found}
    papers = Paper.objects.defer("search", "abstract").in_bulk(list(ids))
    for row, record, vector, found in zip(rows, records, vectors, near, strict=True):
        row.vector = search.packed(vector)
        here = [(papers[pk], cosine) for pk, cosine in found if pk in papers]
        if verdict := nearest(record, here):
            decide(row, verdict)
    return ""


def text_of(record: Record) -> str:
    """What will be embedded of the paper, if it becomes one."""
    return Paper(**{name: getattr(record, name) for name in TEXTS}).text


def nearest(record: Record, near: Sequence[tuple[Paper, float]]) -> Verdict | None:
    """The paper that a record may be, of those nearest to it; None where none may."""
    for paper, cosine in near:
        if _differ(record, paper):
            continue
        words = shared_words(record.title, paper.title)
        authors = len(shared_authors(record.authors, paper.authors))
        if _alike(record.title, paper.title, cosine, words, authors):
            reason = f"{words:.0%} of the titles' words are common"
            if authors:
                reason += f", and {authors} author{'s' if authors > 1 else ''}"
            return Verdict(Status.POSSIBLE, f"{reason}.", paper, similarity=round(cosine, 3))
    return None


def _alike(title: str, other: str, cosine: float, words: float, authors: int) -> bool:
    """Whether somebody should look if two are one paper."""
    if cosine >= SURE or (cosine >= LIKELY and words >= SAME_WORDS):
        return True
    if cosine >= AKIN and authors >= SAME_AUTHORS:
        return True
    telling = min(len(title), len(other)) >= TELLING
    return cosine >= RELATED and telling and part_of(title, other) >= PART_OF


def _differ(record: Record, paper: Paper) -> bool:
    """Whether both have the same kind of identifier, so that they are known to be two."""
    arxiv = record.arxiv_id and paper.arxiv_id and record.arxiv_id != paper.arxiv_id
    dois = record.doi and paper.doi and record.doi.lower() != paper.doi.lower()
    return bool(arxiv or dois)


def shared_words(one: str, other: str) -> float:
    """The words that two titles have in common, as a share of all (Jaccard's index)."""
    left, right = _words(one), _words(other)
    return len(left & right) / len(left | right) if left | right else 0.0


def part_of(one: str, other: str) -> float:
    """The words that two titles have in common, as a share of the shorter one's."""
    left, right = _words(one), _words(other)
    return len(left & right) / min(len(left), len(right)) if left and right else 0.0


def _words(title: str) -> set[str]:
    return set(re.findall(r"\w+", title.lower()))
