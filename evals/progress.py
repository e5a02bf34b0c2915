"""How far a run is: seconds since its start, seconds left, and the log of its steps.

What is left is guessed from the pace of the present count; what a whole run takes, from how long
the newest stored one took, and only where there is none from what its mitigation declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from . import queries
from .engine import registry
from .models import Run

FEWEST = 2  # answers before a pace is worth saying


def of(run: Run, now: datetime | None = None) -> dict[str, Any]:
    """``elapsed`` and ``left`` (seconds or None), ``effort`` (while it lasts), ``steps``."""
    now = now or timezone.now()
    steps = [{**row, "at": datetime.fromisoformat(row["at"])} for row in run.steps]
    ended = run.finished_at or now
    ends = [*(row["at"] for row in steps), ended][1:]
    for row, following in zip(steps, ends, strict=True):
        row["seconds"] = max(0.0, (following - row["at"]).total_seconds())
    return {
        "elapsed": (ended - run.started_at).total_seconds() if run.started_at else None,
        "left": _left(run, steps, now),
        "effort": _expected(run) if run.unfinished else None,
        "steps": steps,
    }


def _left(run: Run, steps: list[dict[str, Any]], now: datetime) -> float | None:
    """Seconds until what is counted at present is done, at the pace since it began to be."""
    if not steps or run.status != Run.Status.RUNNING or not run.progress_total:
        return None
    first = _counted_from(steps, run.progress_total)
    made = run.progress_done - first.get("done", 0)
    since = (now - first["at"]).total_seconds()
    if made < FEWEST or since <= 0:
        return None
    return max(0.0, since / made * (run.progress_total - run.progress_done))


def _counted_from(steps: list[dict[str, Any]], total: int) -> dict[str, Any]:
    """The step with which the present count began: some name each thing that is done anew."""
    first = steps[-1]
    for row in reversed(steps[:-1]):
        if row.get("total") != total or row.get("done", 0) > first.get("done", 0):
            break
        first = row
    return first


def effort(mitigation: registry.Mitigation, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a whole run may take: ``took`` (``queries.took``, or None) and ``declared`` minutes."""
    return {
        "took": queries.took(mitigation.slug, params),
        "declared": mitigation.minutes,
    }


def _expected(run: Run) -> dict[str, Any] | None:
    try:
        return effort(registry.get_mitigation(run.mitigation), run.params)
    except registry.UnknownName:
        return None
