"""Reading a file into a preview, choosing, and forgetting; writing is in ``writing.py``.

Nothing here touches a paper. Rows are read, compared and stored in parts of a few hundred,
so memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import IO, Any

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from kb.harvest import files
from kb.harvest.records import Record
from taxonomy.operations import Invalid, Missing, WrongState
from taxonomy.operations.actions import require

from . import examining
from .match import Matcher, Verdict
from .models import ImportRow, PaperImport

PART = 500
# So many rows are looked up and compared by meaning at once; more are the worker's.
AT_ONCE = 40
MOST_ROWS = 50_000
KEPT_DAYS = 7
State = PaperImport.State


def stage(
    *, stream: IO[bytes], name: str, by: Any, form: str = "", wait: bool = False
) -> PaperImport:
    """Read a file into a preview that ``by`` may confirm; ``stream`` can be rewound.

    With ``wait`` every row is compared before this returns; otherwise many rows are left to
    the worker. Raises NotAllowed, and Invalid where the file as a whole cannot be read.
    """
    require(by, "edit_live")
    try:
        form = form or files.detect(name, stream)
        with transaction.atomic():
            made = PaperImport.objects.create(name=name[:200] or "pasted", format=form[:10], by=by)
            _read(made, files.records(stream, form))
    except files.UnknownFormat as error:
        raise Invalid({"file": str(error)}) from None
    if wait or examining.waiting(made).count() <= AT_ONCE:
        examining.examine(made.pk)
    else:
        from kb import tasks

        tasks.examine.defer(pk=made.pk)
    made.refresh_from_db()
    return made


def _read(made: PaperImport, records: Iterator[Record]) -> None:
    matcher, rows = Matcher(), 0
    for part in _parts(records):
        rows += len(part)
        if rows > MOST_ROWS:
            raise Invalid({"file": f"More than {MOST_ROWS:,} rows. Split the file."})
        found = zip(part, matcher.judge(part), strict=True)
        ImportRow.objects.bulk_create([_row(made, r, v) for r, v in found], batch_size=PART)
    if not rows:
        raise Invalid({"file": "There is not a single paper in it."})


def _parts(records: Iterator[Record]) -> Iterator[Sequence[Record]]:
    while part := list(islice(records, PART)):
        yield part


def _row(made: PaperImport, record: Record, verdict: Verdict) -> ImportRow:
    row = ImportRow(batch=made, number=record.number, record=record.to_dict())
    examining.decide(row, verdict)
    row.examined = verdict.status != ImportRow.Status.NEW
    return row


def counts(found: PaperImport) -> dict[str, int]:
    """{status: rows}, every status."""
    rows = found.rows.order_by().values("status").annotate(n=Count("pk"))
    known = {row["status"]: row["n"] for row in rows}
    return {status: known.get(status, 0) for status in ImportRow.Status.values}


def planned(found: PaperImport) -> dict[str, int]:
    """{choice: rows}: what confirming would do."""
    rows = found.rows.order_by().values("choice").annotate(n=Count("pk"))
    known = {row["choice"]: row["n"] for row in rows}
    return {choice: known.get(choice, 0) for choice in ImportRow.Choice.values}


def rows_of(found: PaperImport, status: str = "") -> QuerySet[ImportRow]:
    """The rows, in order, with the papers that they resemble."""
    rows = found.rows.select_related("paper").defer("vector", "paper__abstract", "paper__search")
    return rows.filter(status=status) if status else rows


def found(pk: int, by: Any) -> PaperImport:
    """Somebody's own import; raises Missing, NotAllowed."""
    require(by, "edit_live")
    one = PaperImport.objects.select_related("changeset").filter(pk=pk, by=by).first()
    if one is None:
        raise Missing(f"You have no import {pk}. Previews are kept for {KEPT_DAYS} days.")
    return one


@transaction.atomic
def choose(*, batch: PaperImport, by: Any, choices: dict[int, str]) -> int:
    """Decide rows by their numbers: add, fill, skip; returns how many changed.

    Raises Invalid where a row cannot be treated so, WrongState after confirmation.
    """
    found(batch.pk, by)
    locked = PaperImport.objects.select_for_update().get(pk=batch.pk)
    if locked.state == State.DONE:
        raise WrongState("This import is done. Undo it in its change set.")
    changed = []
    rows = {row.number: row for row in batch.rows.filter(number__in=choices).defer("vector")}
    for number, choice in choices.items():
        row = rows.get(number)
        if row is None:
            raise Invalid({"choices": f"There is no row {number}."})
        _may(row, choice)
        if row.choice != choice:
            row.choice = choice
            changed.append(row)
    ImportRow.objects.bulk_update(changed, ["choice"], batch_size=PART)
    return len(changed)


def _may(row: ImportRow, choice: str) -> None:
    if choice not in ImportRow.Choice.values:
        known = ", ".join(ImportRow.Choice.values)
        raise Invalid({"choices": f"Row {row.number}: {choice[:20]!r} is none of {known}."})
    if row.status == ImportRow.Status.INVALID and choice != ImportRow.Choice.SKIP:
        raise Invalid({"choices": f"Row {row.number} is invalid: {row.reason}"})
    if choice == ImportRow.Choice.FILL and not (row.paper_id or row.same_row):
        raise Invalid({"choices": f"Row {row.number} has nothing to be filled in from it."})


def drop(*, batch: PaperImport, by: Any) -> None:
    """Forget a preview; raises WrongState where it has been written."""
    if found(batch.pk, by).state == State.DONE:
        raise WrongState("This import is done. Undo it in its change set.")
    batch.delete()


def drop_old() -> int:
    """Forget previews that nobody confirmed, and the rows of done imports; returns how many."""
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    old = PaperImport.objects.filter(created_at__lt=before)
    ImportRow.objects.filter(batch__in=old).delete()
    gone, _ = old.exclude(state=State.DONE).delete()
    return gone


def examine(pk: int, report: Callable[[int, int], None] | None = None) -> None:
    """Look up and compare what waits; see examining."""
    examining.examine(pk, report)


def recent(by: Any) -> Iterable[PaperImport]:
    """Somebody's imports, newest first."""
    mine = PaperImport.objects.filter(by=by).select_related("changeset")
    return mine.annotate(rows_count=Count("rows"))[:20]
