"""Runs side by side, and which mitigations nobody beats on every count.

The portfolio is the Pareto set (no other run has both a larger effect and a lower price) of
the newest measurable run of each mitigation, within budgets for refused benign requests and
for time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from . import figures, queries
from .models import Run

FEWEST, MOST = 2, 5


class BadComparison(ValueError):
    """Too few runs, too many, or some that have no figures; the message says which."""


def side_by_side(pks: Sequence[str]) -> dict[str, Any]:
    """Finished runs as columns, their figures as rows in the order of the first run.

    Raises BadComparison.
    """
    wanted = list(dict.fromkeys(pks))
    if not FEWEST <= len(wanted) <= MOST:
        raise BadComparison(f"Choose {FEWEST} to {MOST} runs to compare; {len(wanted)} were given.")
    runs = _finished(wanted)
    labels: dict[str, str] = {}
    for run in runs:
        for figure in shown(run):
            labels.setdefault(figure["label"], figure["measure"])
    rows = [{"label": label, "cells": [_cell(run, label) for run in runs]} for label in labels]
    return {"runs": runs, "rows": rows, "differs": _differences(runs)}


def _finished(pks: list[str]) -> list[Run]:
    try:
        ids = [uuid.UUID(pk) for pk in pks]
    except ValueError:
        raise BadComparison("A run is named by its id.") from None
    found = {run.pk: run for run in queries.runs().filter(pk__in=ids, status=Run.Status.DONE)}
    if missing := [str(pk) for pk in ids if pk not in found]:
        raise BadComparison(f"No finished run has the id {missing[0]}.")
    return [found[pk] for pk in ids]


def shown(run: Run) -> list[dict[str, Any]]:
    """The figures of a run's summary: the effect, adaptive attacks, the price."""
    if not run.summary.get("effect"):
        return []
    found = [run.summary["effect"], *run.summary["adaptive"], *run.summary["price"]]
    return [row for row in found if row["before"]["value"] is not None]


def _cell(run: Run, label: str) -> dict[str, Any] | None:
    figure = next((row for row in shown(run) if row["label"] == label), None)
    if figure is None:
        return None
    return {"figure": figure, "chart": figures.pair(figure) if figure["unit"] == "share" else None}


def _differences(runs: list[Run]) -> list[str]:
    """What sets the specifications apart, so that nobody compares the unlike unknowingly."""
    said: dict[str, set[Any]] = {
        "targets": {run.target.slug for run in runs},
        "risks": {run.risk for run in runs},
        "seeds": {run.seed for run in runs},
    }
    return [what for what, values in said.items() if len(values) > 1]


@dataclass(frozen=True)
class Candidate:
    """A mitigation with its measured effect and price, as points of a share and milliseconds."""

    run: Run
    effect: float
    refusals: float
    slower_ms: float
    best: bool = False


def portfolio(
    runs: Iterable[Run], refusals: float | None = None, slower_ms: float | None = None
) -> list[Candidate]:
    """Candidates within the budgets, the largest effect first; ``best`` marks the Pareto set."""
    made = [found for run in runs if (found := _candidate(run))]
    within = [
        found
        for found in made
        if (refusals is None or found.refusals <= refusals)
        and (slower_ms is None or found.slower_ms <= slower_ms)
    ]
    marked = [
        Candidate(c.run, c.effect, c.refusals, c.slower_ms, not any(beats(o, c) for o in within))
        for c in within
    ]
    return sorted(marked, key=lambda found: (-found.effect, found.refusals))


def beats(one: Candidate, other: Candidate) -> bool:
    """Whether ``one`` is at least as good on every count and better on one."""
    ours = (one.effect, -one.refusals, -one.slower_ms)
    theirs = (other.effect, -other.refusals, -other.slower_ms)
    return all(a >= b for a, b in zip(ours, theirs, strict=True)) and ours != theirs


def _candidate(run: Run) -> Candidate | None:
    effect = run.summary.get("effect")
    if not effect or effect["unit"] != "share" or not effect["gap"]:
        return None
    gain = effect["gap"]["difference"] * (-1 if effect["better"] == "lower" else 1)
    price = {row["measure"]: row for row in run.summary["price"]}
    refused = price.get("benign-refusal") or price.get("false-alarms")
    return Candidate(run, gain, _rise(refused), _rise(price.get("latency")))


def _rise(row: dict[str, Any] | None) -> float:
    if row is None or row["before"]["value"] is None or row["after"]["value"] is None:
        return 0.0
    return float(row["after"]["value"] - row["before"]["value"])
