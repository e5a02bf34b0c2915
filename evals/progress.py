"""How far a run is: seconds since its start, seconds left, and the log of its steps.

What is left is guessed from the pace of the present step, and for the whole run from what its
mitigation declares for two cores.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from .engine import registry
from .models import Run

FEWEST = 3  # answers before a pace is worth saying


def of(run: Run, now: datetime | None = None) -> dict[str, Any]:
    """``elapsed`` and ``left`` (seconds or None), ``declared`` (minutes or None), ``steps``."""
    now = now or timezone.now()
    steps = [{**row, "at": datetime.fromisoformat(row["at"])} for row in run.steps]
    ended = run.finished_at or now
    ends = [*(row["at"] for row in steps), ended][1:]
    for row, following in zip(steps, ends, strict=True):
        row["seconds"] = max(0.0, (following - row["at"]).total_seconds())
    return {
        "elapsed": (ended - run.started_at).total_seconds() if run.started_at else None,
        "left": _left(run, steps, now),
        "declared": _declared(run),
        "steps": steps,
    }


def _left(run: Run, steps: list[dict[str, Any]], now: datetime) -> float | None:
    """Seconds until what is counted at present is done, at the pace of the present step."""
    if not steps or run.status != Run.Status.RUNNING or not run.progress_total:
        return None
    made = run.progress_done - steps[-1].get("done", 0)
    since = (now - steps[-1]["at"]).total_seconds()
    if made < FEWEST or since <= 0:
        return None
    return max(0.0, since / made * (run.progress_total - run.progress_done))


def _declared(run: Run) -> float | None:
    try:
        return registry.get_mitigation(run.mitigation).minutes
    except registry.UnknownName:
        return None
