"""What the worker does: measure a run, and look after runs that lost theirs."""

from __future__ import annotations

import uuid

from procrastinate.contrib.django import app

from . import operations, worker


@app.task(queue="runs", pass_context=False)
def measure(run_id: str) -> None:
    """Measure one queued run in a limited subprocess."""
    worker.measure(uuid.UUID(run_id))


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", pass_context=False)
def look_after_runs(timestamp: int) -> None:
    """Once a minute: queue again the runs whose worker has fallen silent; forget old failures."""
    operations.recover_silent()
    operations.forget_old()
