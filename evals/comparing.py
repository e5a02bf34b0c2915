"""Runs side by side, and which mitigations nobody beats on every count.

The portfolio is the Pareto set of each risk (no other mitigation of it has both a larger effect
and lower prices) over the newest measurable runs, within budgets for refused benign requests
and for time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import figures, grading, queries
from .models import Run

FEWEST, MOST = 2, 5
TIMES = {"ms", "s"}  # units of what is the machine's and not the mitigation's
ROWS = {
    "effect": "Main effect",
    "adaptive": "Hardest adaptive attack",
    "benign-refusal": "Ordinary requests refused",
    "false-alarms": "False alarms",
    "utility": "Utility",
    "latency": "Time",
}


class BadComparison(ValueError):
    """Too few runs, too many, or some that have no figures; the message says which."""


def side_by_side(pks: Sequence[str]) -> dict[str, Any]:
    """Finished runs as columns; main effect, adaptive attack and prices as rows.

    ``same`` says of runs with one specification whether their numbers agree. Raises
    BadComparison.
    """
    wanted = list(dict.fromkeys(pks))
    if not FEWEST <= len(wanted) <= MOST:
        raise BadComparison(f"Choose {FEWEST} to {MOST} runs to compare; {len(wanted)} were given.")
    runs = _finished(wanted)
    return {
        "runs": runs,
        "rows": [row for name in ROWS if (row := _row(name, runs))],
        "differs": _differences(runs),
        "same": reproduced(runs),
    }


def _finished(pks: list[str]) -> list[Run]:
    try:
        ids = [uuid.UUID(pk) for pk in pks]
    except ValueError:
        raise BadComparison("A run is named by its id.") from None
    found = {run.pk: run for run in queries.runs().filter(pk__in=ids, status=Run.Status.DONE)}
    if missing := [str(pk) for pk in ids if pk not in found]:
        raise BadComparison(f"No finished run has the id {missing[0]}.")
    return [found[pk] for pk in ids]


def shown(run: Run) -> dict[str, dict[str, Any]]:
    """The figures of a run's summary by row: effect, hardest adaptive attack, each price."""
    if not run.summary.get("effect"):
        return {}
    rows = {row["measure"]: row for row in run.summary["price"]}
    if run.summary["adaptive"]:
        rows["adaptive"] = max(run.summary["adaptive"], key=_left)
    found = {"effect": run.summary["effect"], **rows}
    return {name: row for name, row in found.items() if row["before"]["value"] is not None}


def _left(figure: dict[str, Any]) -> float:
    """How much an attack still reaches under the mitigation, the worst highest."""
    return float(figure["after"]["value"] or 0.0) * (1 if figure["better"] == "lower" else -1)


def _row(name: str, runs: list[Run]) -> dict[str, Any] | None:
    """One figure of every run; its own label stands in the cell where the labels differ."""
    found = [shown(run).get(name) for run in runs]
    labels = {figure["label"] for figure in found if figure}
    if not labels:
        return None
    one = len(labels) == 1
    return {
        "label": ROWS[name],
        "measure": labels.pop() if one else "",
        "cells": [_cell(figure, alone=not one) for figure in found],
    }


def _cell(figure: dict[str, Any] | None, alone: bool) -> dict[str, Any] | None:
    if figure is None:
        return None
    chart = figures.pair(figure) if figure["unit"] == "share" else None
    return {"figure": figure, "chart": chart, "label": figure["label"] if alone else ""}


def _differences(runs: list[Run]) -> list[str]:
    """What sets the specifications apart, so that nobody compares the unlike unknowingly."""
    said: dict[str, set[Any]] = {
        "targets": {run.target.slug for run in runs},
        "risks": {run.risk for run in runs},
        "seeds": {run.seed for run in runs},
    }
    return [what for what, values in said.items() if len(values) > 1]


def reproduced(runs: list[Run]) -> dict[str, Any] | None:
    """Of runs with one specification, the figures that are not equal; None for others.

    Times are left out: they are the machine's.
    """
    if len({run.spec_digest for run in runs}) > 1:
        return None
    rows = [
        {(m.label, m.arm): m.value for m in run.metrics.all() if m.unit not in TIMES}
        for run in runs
    ]
    apart = [key for key in rows[0] if len({row.get(key) for row in rows}) > 1]
    return {"figures": len(rows[0]), "apart": [f"{label} ({arm})" for label, arm in apart]}


@dataclass(frozen=True)
class Candidate:
    """A mitigation with its measured effect and prices; a price that was not measured is None.

    Effect (with the ``low`` and ``high`` end of its interval), refusals and utility lost are
    shares; ``slower`` is milliseconds of what ``timed``
    names, since a training step and a request are not the same. ``clear`` says whether the
    interval of the effect leaves out 0.
    """

    run: Run
    effect: float
    refusals: float | None
    utility: float | None
    slower: float | None
    timed: str = ""
    low: float = 0.0
    high: float = 0.0
    clear: bool = True
    best: bool = False

    @property
    def interval(self) -> dict[str, float]:
        """The ends of the effect's interval."""
        return {"low": self.low, "high": self.high}


def portfolio(
    runs: Iterable[Run], refusals: float | None = None, slower_ms: float | None = None
) -> list[Candidate]:
    """Candidates within the budgets, by risk, the largest effect first.

    ``best`` marks those that no other mitigation of the same risk beats. Where a budget is
    set, a candidate whose price was not measured is left out.
    """
    made = [found for run in runs if (found := _candidate(run))]
    within = [c for c in made if _fits(c.refusals, refusals) and _fits(c.slower, slower_ms)]
    marked = [
        replace(c, best=c.clear and not any(_same_risk(o, c) and beats(o, c) for o in within))
        for c in within
    ]
    return sorted(marked, key=lambda found: (found.run.risk, -found.effect))


def _same_risk(one: Candidate, other: Candidate) -> bool:
    return one.run.risk == other.run.risk


def _fits(price: float | None, budget: float | None) -> bool:
    return budget is None or (price is not None and price <= budget)


def beats(one: Candidate, other: Candidate) -> bool:
    """Whether ``one`` is at least as good on every count and better on one.

    Prices are compared where both were measured; where only one was, nobody is beaten.
    """
    pairs: list[tuple[float | None, float | None]] = [
        (-one.effect, -other.effect),
        (one.refusals, other.refusals),
        (one.utility, other.utility),
        (one.slower, other.slower),
    ]
    if any((a is None) != (b is None) for a, b in pairs) or one.timed != other.timed:
        return False
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    return all(a <= b for a, b in known) and any(a < b for a, b in known)


def _candidate(run: Run) -> Candidate | None:
    effect = run.summary.get("effect")
    if not effect or effect["unit"] != "share" or not effect["gap"]:
        return None
    sign = -1 if effect["better"] == "lower" else 1
    gain = sign * effect["gap"]["difference"]
    low, high = sorted(sign * effect["gap"][end] for end in ("low", "high"))
    price = {row["measure"]: row for row in run.summary["price"]}
    utility, time = price.get("utility"), price.get("latency")
    in_ms = time if time and time["unit"] == "ms" else None
    lost = _rise(utility) if utility and utility["unit"] == "share" else None
    return Candidate(
        run,
        gain,
        _rise(price.get("benign-refusal") or price.get("false-alarms")),
        None if lost is None else -lost,
        _rise(in_ms),
        in_ms["label"] if in_ms else "",
        low,
        high,
        grading.improves(effect),
    )


def _rise(row: dict[str, Any] | None) -> float | None:
    if row is None or row["before"]["value"] is None or row["after"]["value"] is None:
        return None
    return float(row["after"]["value"] - row["before"]["value"])
