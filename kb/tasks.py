"""What the worker does for the reading room: fetch abstracts that are missing."""

from __future__ import annotations

import logging

from procrastinate.contrib.django import app

from . import operations
from .harvest.arxiv import Arxiv, Unreachable

PART = 1000


@app.periodic(cron="*/15 * * * *")
@app.task(queue="upkeep", queueing_lock="harvest", pass_context=False)
def harvest(timestamp: int) -> None:
    """Every quarter of an hour a part of what is missing; quiet where arXiv is out of reach."""
    if not operations.harvesting() or not operations.missing().exists():
        return
    try:
        operations.harvest(client=Arxiv(), limit=PART)
    except Unreachable as error:
        logging.getLogger(__name__).info("%s", error)
