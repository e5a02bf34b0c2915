"""List, show and compare runs from the command line."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evals import comparing, downloads, queries
from evals.models import Run


class Command(BaseCommand):
    help = "List runs, show one (by id or the start of its record's digest), or compare some."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do with which runs."""
        parser.add_argument("action", choices=("list", "show", "compare"))
        parser.add_argument("run", nargs="*", help="ids, or digests of records")
        parser.add_argument("--mitigation", default="")
        parser.add_argument("--risk", default="")
        parser.add_argument("--limit", type=int, default=50)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        """Print what was asked for."""
        {"list": self._list, "show": self._show, "compare": self._compare}[action](options)

    def _list(self, options: dict[str, Any]) -> None:
        wanted = {name: options[name] for name in ("mitigation", "risk") if options[name]}
        for run in queries.runs().filter(**wanted)[: max(1, options["limit"])]:
            self.stdout.write(f"{run.pk} {run.verdict or run.status:18} {_line(run)}")

    def _show(self, options: dict[str, Any]) -> None:
        for name in options["run"]:
            run = _found(name)
            if not run.result:
                why = f": {run.error}" if run.error else ""
                raise CommandError(f"{run.pk} has no record, it is {run.status}{why}", returncode=2)
            self.stdout.write(downloads.as_json(run))

    def _compare(self, options: dict[str, Any]) -> None:
        try:
            found = comparing.side_by_side([str(_found(name).pk) for name in options["run"]])
        except comparing.BadComparison as error:
            raise CommandError(str(error), returncode=2) from None
        for run in found["runs"]:
            self.stdout.write(f"{run.pk} {_line(run)}")
        if same := found["same"]:
            apart = "; ".join(same["apart"]) or "none"
            self.stdout.write(f"One specification, {same['figures']} figures; different: {apart}")
        for row in found["rows"]:
            cells = "  ".join(f"{_change(cell):>18}" for cell in row["cells"])
            self.stdout.write(f"{(row['measure'] or row['label'])[:44]:44} {cells}")


def _line(run: Run) -> str:
    return f"{run.mitigation} against {run.risk} on {run.target.slug}, seed {run.seed}"


def _change(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not measured"
    before, after = (cell["figure"][side]["value"] for side in ("before", "after"))
    return f"{before:.3g} to {after:.3g}"


def _found(name: str) -> Run:
    """The run of this id or digest; raises CommandError."""
    try:
        run = queries.run(uuid.UUID(name))
    except ValueError:
        digest = queries.by_digest(name)
        run = queries.run(digest.pk) if digest else None
    if run is None:
        raise CommandError(f"No run is called {name!r}.", returncode=2)
    return run
