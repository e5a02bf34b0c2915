"""Measure a mitigation here and now, and keep the result like any other run."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evals import downloads, operations, worker
from evals.engine import registry
from evals.engine.params import BadParameter
from evals.models import Run

VERDICT_CODES = {"measurable": 0, "floor": 3, "ceiling": 4, "utility-collapsed": 5, "too-few": 6}


class Command(BaseCommand):
    help = "Measure a mitigation. Exit code 0 is measurable, 3 to 6 other verdicts, 1 a failure."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to measure."""
        parser.add_argument("mitigation")
        parser.add_argument("--risk", default="")
        parser.add_argument("--target", default="")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
        parser.add_argument("--stack", default="", help="a second mitigation, behind the first")
        parser.add_argument("--json", action="store_true", help="print the whole record")
        parser.add_argument("--output", type=Path, help="write the whole record to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure, print the figures, and end with the verdict's code."""
        if options["output"] and not options["output"].parent.is_dir():
            raise CommandError(f"There is no folder {options['output'].parent}.", returncode=2)
        run = self._run(options)
        if run.status != Run.Status.DONE:
            raise CommandError(f"The run {run.get_status_display()}: {run.error}")
        if options["output"]:
            _write(options["output"], run)
        if options["json"]:
            self.stdout.write(json.dumps(run.result, indent=1, ensure_ascii=False))
        else:
            self._print(run)
        if code := VERDICT_CODES[run.verdict]:
            raise SystemExit(code)

    def _run(self, options: dict[str, Any]) -> Run:
        operations.sync_targets()
        wanted = {key: options[key] for key in ("mitigation", "risk", "target", "seed", "stack")}
        try:
            run, new = operations.request_run(
                **wanted, params=_params(options["param"]), queue=False, again=True
            )
        except (registry.UnknownName, BadParameter, operations.TargetNotActive) as error:
            raise CommandError(str(error), returncode=2) from None
        if not new:
            raise CommandError(f"This very run is {run.status} already: {run.pk}", returncode=2)
        worker.measure(run.pk, self._show)
        run.refresh_from_db()
        return run

    def _show(self, done: int, total: int, step: str) -> None:
        self.stderr.write(f"\r{step} {done or ''}{f' of {total}' if total else ''}   ", ending="")
        self.stderr.flush()

    def _print(self, run: Run) -> None:
        self.stderr.write("")
        self.stdout.write(f"{run.get_verdict_display()}: {run.reason}")
        for row in run.metrics.all():
            scale, unit = (100, "%") if row.unit == "share" else (1, row.unit)
            self.stdout.write(
                f"{row.label:55.55} {row.arm:12} {scale * row.value:8.1f} {unit:2} "
                f"[{scale * row.low:.1f}, {scale * row.high:.1f}]  n {row.n}"
            )


def _write(path: Path, run: Run) -> None:
    """The record as JSON, under a temporary name first."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(downloads.as_json(run), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise CommandError(f"The record cannot be written: {error}", returncode=2) from None


def _params(given: list[str]) -> dict[str, str]:
    """NAME=VALUE pairs; raises BadParameter."""
    for text in given:
        if "=" not in text:
            raise BadParameter(f"Write a parameter as NAME=VALUE; not {text!r}.")
    return dict(text.split("=", 1) for text in given)
