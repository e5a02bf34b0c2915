"""What the worker does for the reading room: abstracts, vectors, imports, offers of places."""

from __future__ import annotations

import logging

from procrastinate.contrib.django import app

from . import operations, search
from .harvest.arxiv import Arxiv, Unreachable
from .imports import operations as imports
from .placing import offers

PART = 1000
LOG = logging.getLogger(__name__)


@app.periodic(cron="*/15 * * * *")
@app.task(queue="upkeep", queueing_lock="harvest", pass_context=False)
def harvest(timestamp: int) -> None:
    """Every quarter of an hour a part of what is missing; quiet where arXiv is out of reach."""
    if not operations.harvesting() or not operations.missing().exists():
        return
    try:
        operations.harvest(client=Arxiv(), limit=PART)
    except Unreachable as error:
        LOG.info("%s", error)


@app.task(queue="upkeep", pass_context=False)
def embed() -> None:
    """Make the vectors that are missing, after very many papers changed at once."""
    try:
        search.embed_stale()
    except search.EmbedderError as error:
        LOG.info("%s", error)


@app.task(queue="upkeep", pass_context=False)
def examine(pk: int) -> None:
    """Look up and compare the rows of an import."""
    imports.examine(pk)


@app.periodic(cron="17 4 * * *")
@app.task(queue="upkeep", queueing_lock="drop-imports", pass_context=False)
def drop_imports(timestamp: int) -> None:
    """Once a day forget previews that nobody confirmed."""
    imports.drop_old()


@app.periodic(cron="*/10 * * * *")
@app.task(queue="upkeep", queueing_lock="offers", pass_context=False)
def make_offers(timestamp: int) -> None:
    """Every ten minutes, where anything changed, learn anew and offer places."""
    try:
        offers.refresh()
    except search.EmbedderError as error:
        LOG.info("%s", error)
