"""Bring vectors and the search index up to date."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kb import search
from kb.curation.effects import known_queries


class Command(BaseCommand):
    help = "Embed what changed and rebuild the search index from PostgreSQL."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--ship`` writes the vectors into the fixtures."""
        parser.add_argument("--ship", action="store_true", help="write fixtures/embeddings too")

    def handle(self, *args: Any, ship: bool, **options: Any) -> None:
        """Embed, rebuild, and say what is searchable."""
        try:
            done = search.embed_stale(self._show)
            state = search.rebuild()
        except search.EmbedderError as error:
            raise CommandError(str(error), returncode=2) from None
        self.stdout.write(f"{done} papers embedded; {state.rows} vectors in the index.")
        if ship:
            written = search.ship() + search.ship_queries(list(known_queries().values()))
            self.stdout.write(f"{written} vectors written to fixtures/embeddings.")

    def _show(self, done: int, total: int) -> None:
        if total and self.stdout.isatty():
            self.stdout.write(f"\rembedded {done} of {total}", ending="" if done < total else "\n")
            self.stdout.flush()
