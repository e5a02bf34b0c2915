"""Logs of Inspect (UK AI Security Institute, MIT), as the engine reads them.

The engine opens the log in a process of its own and gives the scores of every sample; each
scorer's value, or each of its named values, becomes a finding.
"""

from __future__ import annotations

import math
from typing import Any

from .parts import Finding, Outcomes, Parsed, text

WORDS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}  # correct, incorrect, partly, no answer
LOWER = ("attack", "non-refusal", "on-topic", "benign-refusal", "false-alarms", "asr", "harm")
HIGHER = ("utility", "accuracy", "correct")


def read(given: dict[str, Any]) -> Parsed:
    """The findings of a log as ``python -m evals.engine scores`` gives it."""
    parsed = Parsed("inspect", text(given["version"], 40), measured_at=text(given["created"], 40))
    if given["status"] != "success":
        parsed.trouble("header", f"the task ended with {text(given['status'], 40)!r}: not all of "
                       "its samples are here")  # fmt: skip
    outcomes = Outcomes()
    for sample in given["samples"]:
        where = f"sample {text(sample['id'], 40)}, epoch {sample['epoch']}"
        if sample["error"]:
            parsed.trouble(where, f"not scored: {text(sample['error'], 120)}")
        for scorer, value in sample["scores"].items():
            _enter(parsed, outcomes, where, str(sample["id"]), scorer, value)
    for scorer, measure in outcomes.rows:
        parsed.add(_finding(given, scorer, measure, outcomes))
    if not outcomes.rows:
        parsed.trouble("samples", "no sample has a score that is a number")
    return parsed


def _enter(
    parsed: Parsed, outcomes: Outcomes, where: str, ident: str, scorer: str, value: Any
) -> None:
    """Enter a score, or each of its named values; unscored ones (not a number) are skipped."""
    for measure, found in value.items() if isinstance(value, dict) else [("", value)]:
        try:
            score = _number(found)
        except ValueError as error:
            parsed.trouble(where, f"{scorer} {measure}: {error}")
            continue
        if not math.isnan(score):
            outcomes.add((text(scorer), text(measure)), ident, score)


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]
    if not isinstance(value, bool | int | float):
        raise ValueError(f"{text(value, 40)!r} is no score that can be averaged")
    return float(value)


def _finding(given: dict[str, Any], scorer: str, measure: str, outcomes: Outcomes) -> Finding:
    interval, method, n = outcomes.rate((scorer, measure))
    task, name = text(given["task"]), measure or scorer
    label = f"{task}: {name.replace('-', ' ')}"
    return Finding(
        task, name, label, text(given["model"]), *interval, n, method, better(name),
        {"scorer": scorer},
    )  # fmt: skip


def better(name: str) -> str:
    """Which way is better, where the measure's name tells; else empty."""
    lowered = name.lower()
    if lowered.startswith(LOWER):
        return "lower"
    return "higher" if lowered.startswith(HIGHER) else ""
