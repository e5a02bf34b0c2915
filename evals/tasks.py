"""What the worker does: measure a run, and look after runs that lost theirs."""

from __future__ import annotations

import uuid

from procrastinate.contrib.django import app
from procrastinate.jobs import Status

from . import operations, worker

RUNS = "runs"  # the queue of measurements; everything else waits in other queues


@app.task(queue=RUNS, pass_context=False)
def measure(run_id: str) -> None:
    """Measure one queued run in a limited subprocess."""
    worker.measure(uuid.UUID(run_id))


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", pass_context=False)
def look_after_runs(timestamp: int) -> None:
    """Once a minute: queue again the runs whose worker has fallen silent; forget old failures."""
    operations.recover_silent()
    operations.forget_old()


@app.periodic(cron="*/5 * * * *")
@app.task(queue="upkeep", pass_context=False)
async def clear_jobs(timestamp: int) -> None:
    """Delete the jobs of workers that are gone: their runs have been given new ones."""
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
