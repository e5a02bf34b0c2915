"""Work off the queue of runs; may run on several machines that share DATABASE_URL."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from procrastinate.contrib.django import app

from evals import worker
from evals.tasks import RUNS


class Command(BaseCommand):
    help = "Take queued runs and measure them, one at a time unless told otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        """How many runs at once, and whether to stop when the queue is empty."""
        parser.add_argument("--concurrency", type=int, default=1)
        parser.add_argument("--once", action="store_true", help="stop when nothing waits")

    def handle(self, *args: Any, concurrency: int, once: bool, **options: Any) -> None:
        """Work until stopped; a run in the middle is then given back to the queue."""
        connector = app.connector.get_worker_connector()
        with app.replace_connector(connector) as working:
            asyncio.run(_work(working, concurrency, once))


async def _work(working: Any, concurrency: int, once: bool) -> None:
    """Runs on places of their own, so that upkeep never waits for a long measurement."""
    options = {
        "wait": not once,
        "listen_notify": not once,
        "install_signal_handlers": False,
        "delete_jobs": "successful",
    }
    async with working.open_async():
        working.perform_import_paths()
        others = {task.queue for task in working.tasks.values()} - {RUNS}
        parts = [
            asyncio.create_task(working.run_worker_async(queues=queues, concurrency=n, **options))
            for queues, n in (([RUNS], concurrency), (sorted(others), 1))
        ]

        def stop() -> None:
            worker.STOP.set()
            for part in parts:
                part.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        try:
            await asyncio.gather(*parts)
        except asyncio.CancelledError:
            await asyncio.gather(*parts, return_exceptions=True)
