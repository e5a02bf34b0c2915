"""Offer likely risks and a kind for every paper that waits to be placed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kb import search
from kb.placing import offers


class Command(BaseCommand):
    help = "Learn from what curators placed, and make offers for the papers that wait."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do so where anything changed, and say how many offers there are."""
        try:
            search.embed_stale()
            made = offers.refresh()
        except search.EmbedderError as error:
            raise CommandError(str(error), returncode=2) from None
        self.stdout.write(f"{made} offers made." if made else "Nothing changed.")
