"""Store abstracts from a file of your own."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kb import operations


class Command(BaseCommand):
    help = "Store abstracts from a JSON-lines file with key, title and abstract."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, and what to name as its source."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", default="imported file")

    def handle(self, *args: Any, file: Path, source: str, **options: Any) -> None:
        """Import all, or stop at the first bad row with exit code 2."""
        try:
            counts = operations.import_abstracts(path=file, source=source)
        except (operations.BadRow, OSError, UnicodeDecodeError) as error:
            raise CommandError(f"Nothing was stored: {error}", returncode=2) from None
        said = ", ".join(f"{name} {n}" for name, n in counts.most_common()) or "an empty file"
        self.stdout.write(said)
