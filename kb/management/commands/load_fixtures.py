"""Load the corpus and the taxonomy that ship with this version."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kb.loading import load_all
from taxonomy.fixtures import FixtureError


class Command(BaseCommand):
    help = "Load the corpus and the taxonomy from fixtures/, all or nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, and print what changed; a bad row stops everything (exit code 2)."""
        try:
            counts = load_all()
        except FixtureError as error:
            raise CommandError(f"Nothing was loaded: {error}", returncode=2) from None
        if counts is None:
            self.stdout.write("These files are loaded already.")
            return
        for name, row in counts.items():
            self.stdout.write(f"{name:12} " + ", ".join(f"{k} {v}" for k, v in row.items()))
