"""Work off the queue of runs; may run on several machines that share DATABASE_URL."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from procrastinate.contrib.django import app


class Command(BaseCommand):
    help = "Take queued runs and measure them, one at a time unless told otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        """How many runs at once, and whether to stop when the queue is empty."""
        parser.add_argument("--concurrency", type=int, default=1)
        parser.add_argument("--once", action="store_true", help="stop when nothing waits")

    def handle(self, *args: Any, concurrency: int, once: bool, **options: Any) -> None:
        """Work until stopped."""
        connector = app.connector.get_worker_connector()
        with app.replace_connector(connector) as working:
            # One place more than runs: upkeep must not wait for a long measurement.
            working.run_worker(concurrency=concurrency + 1, wait=not once, listen_notify=not once)
