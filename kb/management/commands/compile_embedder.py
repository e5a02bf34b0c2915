"""Make the graph by which the packaged embedding model answers fast."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kb.search import EmbedderError
from kb.search._embedder import compile_packaged


class Command(BaseCommand):
    help = "Compile the packaged embedding model (once on each machine, about 15 s)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it if it is missing, and say where it is."""
        try:
            self.stdout.write(str(compile_packaged()))
        except EmbedderError as error:
            raise CommandError(str(error), returncode=2) from None
