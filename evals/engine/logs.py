"""Reading an Inspect log back: its task, model and the scores of every sample.

The reading end of the door to Inspect (``inspecting`` is the writing end): a log is opened by
Inspect itself, so that older formats are understood too.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

MOST_SAMPLES = 200_000


class BadLog(ValueError):
    """A file that Inspect cannot read as a log; the message is its own."""


def scores(path: Path) -> dict[str, Any]:
    """Task, model, time, version, status, and ``{id, epoch, error, scores}`` of every sample.

    A score that Inspect left open (not a number) is None. Raises BadLog.
    """
    from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries

    try:
        log = read_eval_log(str(path), header_only=True)
        samples = read_eval_log_sample_summaries(str(path))
    except Exception as error:  # whatever a broken zip, JSON or schema gives
        raise BadLog(f"Inspect cannot read this log: {error!s:.300}") from None
    return {
        "task": log.eval.task,
        "model": log.eval.model,
        "created": str(log.eval.created),
        "version": log.eval.packages.get("inspect_ai", ""),
        "status": log.status,
        "samples": [
            {
                "id": str(sample.id),
                "epoch": sample.epoch,
                "error": str(sample.error or "")[:300],
                "scores": {name: _plain(s.value) for name, s in (sample.scores or {}).items()},
            }
            for sample in samples[:MOST_SAMPLES]
        ],
    }


def _plain(value: Any) -> Any:
    """A score as JSON can hold it."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)[:80]
