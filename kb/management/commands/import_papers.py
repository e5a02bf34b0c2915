"""Import papers from a file: the preview first, the write with --confirm."""

from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kb.harvest.files import FORMATS
from kb.imports import operations, writing
from kb.imports.models import PaperImport
from taxonomy.operations import CurationError

SHOWN = 40


class Command(BaseCommand):
    help = "Show what a file of papers would become; write it with --confirm."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, who imports it, and whether it is written."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--by", required=True, help="the curator who answers for it")
        parser.add_argument("--format", default="", choices=["", *FORMATS])
        parser.add_argument("--confirm", action="store_true", help="write it")
        parser.add_argument("--note", default="", help="why; stands in the history")
        parser.add_argument("--unexamined", action="store_true", help="do not compare by meaning")

    def handle(self, *args: Any, file: Path, by: str, **options: Any) -> None:
        """Preview, and write if told to; exit code 2 where that is refused."""
        user = get_user_model().objects.filter(username=by).first()
        if user is None:
            raise CommandError(f"Nobody here is called {by!r}.", returncode=2)
        try:
            with file.open("rb") as stream:
                made = operations.stage(
                    stream=stream,
                    name=file.name,
                    by=user,
                    form=options["format"],
                    wait=not options["unexamined"],
                )
            self._show(made)
            if options["confirm"]:
                counts = writing.confirm(
                    batch=made,
                    by=user,
                    note=options["note"],
                    unexamined=options["unexamined"],
                )
                self.stdout.write(f"{writing.said(counts).capitalize()}.")
            else:
                self.stdout.write("Nothing was written. Add --confirm to write it.")
                made.delete()
        except (CurationError, OSError) as error:
            raise CommandError(f"Nothing was written: {error}", returncode=2) from None

    def _show(self, made: PaperImport) -> None:
        rows = operations.rows_of(made).exclude(status="new")
        for row in rows[:SHOWN]:
            what = row.paper.key if row.paper else f"row {row.same_row}" if row.same_row else ""
            near = f" ({row.similarity:.2f})" if row.similarity is not None else ""
            title = row.record.get("title", "")[:70]
            said = f"{row.get_status_display()} {what}{near}".strip()
            self.stdout.write(f"{row.number:>6}  {said}: {title} {row.reason}".rstrip())
        if (more := rows.count() - SHOWN) > 0:
            self.stdout.write(f"        and {more} more such rows")
        counts = operations.counts(made)
        self.stdout.write(", ".join(f"{name} {n}" for name, n in counts.items()))
