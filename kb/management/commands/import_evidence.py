"""Import a report of garak, Inspect or promptfoo from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evals.imports import NotReadable, Parsed, mapping, read, storing
from evals.imports.storing import NotMapped
from kb.queries.imports import known


class Command(BaseCommand):
    help = "Import a garak report, an Inspect log or a promptfoo result. Exit code 2: bad input."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which file, and what it is about."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--mitigation", default="", help="in place when the tool ran")
        parser.add_argument("--map", action="append", default=[], metavar="GROUP=RISK")
        parser.add_argument("--note", default="", help="where the file comes from")
        parser.add_argument("--publish", action="store_true", help="show it at once")
        parser.add_argument("--dry-run", action="store_true", help="read it and keep nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, say what was found and what was left out, keep it unless told otherwise."""
        path: Path = options["file"]
        try:
            content = path.read_bytes()
            if options["dry_run"]:
                return self._parsed(read(content, path.name))
            made, new = storing.store(
                name=path.name,
                content=content,
                by=None,
                known=known(),
                note=options["note"],
                mitigation=options["mitigation"],
                risks=_pairs(options["map"]),
                publish=options["publish"],
            )
        except (OSError, NotReadable, NotMapped) as error:
            raise CommandError(str(error), returncode=2) from None
        for row in made.findings.all():
            self._row(row, row.risk, row.mitigation)
        for problem in made.problems:
            self.stderr.write(f"{problem['where']}: {problem['reason']}")
        self.stdout.write(f"{'imported' if new else 'here already'}: {made.get_absolute_url()}")

    def _parsed(self, parsed: Parsed) -> None:
        for row in parsed.findings:
            self._row(row, *mapping.suggest(parsed.tool, row.group))
        for problem in parsed.problems:
            self.stderr.write(f"{problem.where}: {problem.reason}")
        self.stdout.write(f"{len(parsed.findings)} findings, {parsed.left_out} remarks; not kept")

    def _row(self, row: Any, risk: str, mitigation: str) -> None:
        about = risk or "not mapped"
        behind = f" with {mitigation}" if mitigation else ""
        interval = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        self.stdout.write(f"{row.label[:60]:60} {interval} n {row.n}  {about}{behind}")


def _pairs(given: list[str]) -> dict[str, str]:
    """GROUP=RISK pairs; raises NotMapped."""
    for words in given:
        if "=" not in words:
            raise NotMapped(f"Write a mapping as GROUP=RISK; not {words[:80]!r}.")
    return dict(words.rsplit("=", 1) for words in given)
