"""Fetch missing abstracts from arXiv, slowly; may be stopped and started again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kb import operations
from kb.harvest.arxiv import ADDRESS, Arxiv, Unreachable


class Command(BaseCommand):
    help = "Fetch missing abstracts from arXiv: 100 a request, one request every 3 seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        """How many, and from where."""
        parser.add_argument("--limit", type=int, help="at most so many papers")
        parser.add_argument("--address", default=ADDRESS, help="another server of the same API")

    def handle(self, *args: Any, limit: int | None, address: str, **options: Any) -> None:
        """Harvest, and say what became of the papers; exit code 1 where arXiv is silent."""
        try:
            counts = operations.harvest(client=Arxiv(address), limit=limit, report=self._show)
        except Unreachable as error:
            raise CommandError(f"{error} What had arrived is kept; run this again later.") from None
        said = ", ".join(f"{name} {n}" for name, n in counts.most_common()) or "nothing was missing"
        self.stdout.write(said)

    def _show(self, done: int, total: int) -> None:
        self.stdout.write(f"{done} of {total}")
