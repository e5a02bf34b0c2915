"""Confirming an import: one atomic write with its actor, which can be undone as a whole.

Rows are checked again against what is live at that moment, part by part. Each part is an
item of one published change set, so reverting the set takes everything back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pghistory
from django.utils import timezone

from kb import search
from kb.harvest import identifiers
from kb.harvest.records import Record
from kb.models import Paper, PaperRedirect
from taxonomy.kinds import get
from taxonomy.models import ChangeItem, ChangeSet
from taxonomy.operations import WrongState
from taxonomy.operations.actions import require
from taxonomy.operations.writer import Change, Writer, again_after_collision, follow, writing

from . import match
from .models import ImportRow, PaperImport

PART = 500
Status, Choice, State = ImportRow.Status, ImportRow.Choice, PaperImport.State
Row = tuple[ImportRow, Record]


@again_after_collision
def confirm(*, batch: PaperImport, by: Any, note: str, unexamined: bool = False) -> Counter[str]:
    """Write what was chosen; returns counts of added, filled in, left out, here already.

    ``unexamined`` does not wait for rows that are still being compared; those without a
    title are left out. Raises NotAllowed, WrongState, Invalid; nothing is written then.
    """
    require(by, "edit_live")
    with writing(by=by, reason=note or f"import of {batch.name}") as writer:
        held = PaperImport.objects.select_for_update().get(pk=batch.pk)
        if held.by_id != by.pk or held.state == State.DONE:
            raise WrongState("This import has been confirmed already.")
        if held.state == State.EXAMINING and not unexamined:
            raise WrongState("Rows are still being compared. Wait, or confirm without.")
        held.changeset = made = _changeset(held, by, note)
        writes = _Writes(writer, held, made)
        with pghistory.context(changeset=made.pk):
            writes.all()
        held.state, held.note = State.DONE, said(writes.counts)
        held.save(update_fields=["state", "note", "changeset"])
        follow(writes.written)
    return writes.counts


def _changeset(batch: PaperImport, by: Any, note: str) -> ChangeSet:
    return ChangeSet.objects.create(
        title=f"Import of {batch.name}"[:200],
        rationale=note,
        author=by,
        direct=True,
        state=ChangeSet.State.PUBLISHED,
        published_at=timezone.now(),
    )


def said(counts: Counter[str]) -> str:
    """What an import did, in words."""
    return ", ".join(f"{n} {what}" for what, n in counts.most_common()) or "nothing"


class _Writes:
    """The writes of one import; ``papers`` has the paper of each row so far.

    ``written`` says which rows of the database changed, without their values.
    """

    def __init__(self, writer: Writer, batch: PaperImport, changeset: ChangeSet) -> None:
        self.writer, self.batch, self.changeset = writer, batch, changeset
        self.titles = match.titles()
        self.papers: dict[int, int] = {}
        self.written: list[Change] = []
        self.counts: Counter[str] = Counter()
        self.source = f"import of {batch.name}"[:200]

    def all(self) -> None:
        """Every row, part by part; each part that wrote anything is an item of the set."""
        last, position = 0, 0
        while rows := list(self.batch.rows.filter(number__gt=last).order_by("number")[:PART]):
            self._part([(row, Record.from_dict(row.record)) for row in rows])
            last = rows[-1].number
            if changes := self.writer.changes:
                position += 1
                self._item(position, rows, changes)
                self.written += [replace(one, before={}, after={}) for one in changes]
                changes.clear()

    def _item(self, position: int, rows: Sequence[ImportRow], changes: Sequence[Any]) -> None:
        ChangeItem.objects.create(
            changeset=self.changeset,
            position=position,
            op=ChangeItem.Op.BULK,
            kind="paper",
            fields={"import": self.batch.pk, "rows": [rows[0].number, rows[-1].number]},
            changes=[change.to_dict() for change in changes],
        )

    def _part(self, rows: Sequence[Row]) -> None:
        self.papers |= {row.number: row.paper_id for row, _ in rows if row.paper_id}
        wanted = [pair for pair in rows if pair[0].choice == Choice.ADD]
        known = match.Known.of([record for _, record in wanted], self.titles)
        adding = [pair for pair in wanted if self._still_new(*pair, known)]
        self._add(adding)
        for row, record in rows:
            if row.choice == Choice.FILL:
                self._fill(row, record)
            elif row.choice == Choice.SKIP:
                self.counts["left out"] += 1

    def _still_new(self, row: ImportRow, record: Record, known: match.Known) -> bool:
        """Whether nobody added the same paper meanwhile, this import included."""
        if not record.title:
            self.counts["left out"] += 1
            return False
        names = [f"arxiv:{record.arxiv_id}", f"doi:{record.doi.lower()}", record.key]
        if row.status == Status.NEW:
            names.append(f"title:{identifiers.plain_title(record.title)}")
        paper = next((known.by[name] for name in names if name in known.by), None)
        if paper is not None:
            self.papers[row.number] = paper.pk or 0
            self.counts["here already"] += 1
            return False
        known.add(Paper(**match.values_of(record, self.source)))
        return True

    def _add(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        keys = _free_keys([record for _, record in rows])
        values = [
            match.values_of(record, self.source, key)
            for (_, record), key in zip(rows, keys, strict=True)
        ]
        papers = self.writer.create_many(get("paper"), values)
        for (row, _), paper in zip(rows, papers, strict=True):
            self.papers[row.number] = paper.pk
            self.titles.setdefault(identifiers.plain_title(paper.title), paper.pk)
        search.store_packed(
            {
                paper: bytes(row.vector)
                for (row, _), paper in zip(rows, papers, strict=True)
                if row.vector
            }
        )
        self.counts["added"] += len(papers)

    def _fill(self, row: ImportRow, record: Record) -> None:
        """Give a paper what it lacks; the row's own key leads to it from now on."""
        pk = row.paper_id or self.papers.get(row.same_row or 0)
        paper = Paper.objects.select_for_update(of=("self",)).filter(pk=pk or 0).first()
        if paper is None:
            self.counts["left out"] += 1
            return
        self.papers[row.number] = paper.pk
        changed = self.writer.update(get("paper"), paper, _filling(record, paper, self.source))
        key = identifiers.key_for(record.arxiv_id, record.doi, "") if _named(record) else ""
        if key and not _taken([key]):
            self.writer.create(get("redirect"), {"old_key": key, "paper": paper})
        self.counts["filled in" if changed else "left out"] += 1


def _named(record: Record) -> bool:
    return bool(record.arxiv_id or record.doi)


def _filling(record: Record, paper: Paper, source: str) -> dict[str, Any]:
    """The values that a record adds to a paper; identifiers that are another's are left."""
    new = match.values_of(record, source)
    found = {n: new[n] for n in match.FILLABLE if match.fills(record, paper, n) and new[n]}
    others = Paper.objects.exclude(pk=paper.pk)
    if "arxiv_id" in found and others.filter(arxiv_id=found["arxiv_id"]).exists():
        del found["arxiv_id"]
    if "doi" in found and others.filter(doi__iexact=found["doi"]).exists():
        del found["doi"]
    if record.abstract and not paper.abstract:
        found |= {"abstract": record.abstract, "abstract_source": source}
    extra = {**new["extra"], **paper.extra}
    return {**found, "extra": extra}


def _free_keys(records: Sequence[Record]) -> list[str]:
    """A key for each record that nothing here goes by; a number is added where one is taken."""
    wanted = [record.address for record in records]
    taken, found = _taken(wanted), []
    for key in wanted:
        name, number = key, 1
        while name in taken or (name != key and _taken([name])):
            number += 1
            name = f"{key}-{number}"
        taken.add(name)
        found.append(name)
    return found


def _taken(keys: Sequence[str]) -> set[str]:
    """Those keys that a paper has, or had before a merge."""
    papers = Paper.objects.filter(key__in=keys).values_list("key", flat=True)
    moved = PaperRedirect.objects.filter(old_key__in=keys).values_list("old_key", flat=True)
    return {*papers, *moved}
