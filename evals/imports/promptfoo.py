"""Results of promptfoo (MIT): the JSON of ``promptfoo eval --output`` or of a red-team run.

A test that an assertion rejected is a failure; in a red-team run that means that the attack
got through. Tests that ended in an error of the provider were not judged and are left out.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from .parts import Finding, NotReadable, Outcomes, Parsed, text

ERROR = 2  # promptfoo's failureReason for a test that could not be judged


def read(given: dict[str, Any]) -> Parsed:
    """A result file's findings and problems; raises NotReadable where it has no rows."""
    summary = given.get("results")
    rows = summary.get("results") if isinstance(summary, dict) else None
    if not isinstance(rows, list):
        raise NotReadable("This JSON has no results.results, as promptfoo writes them.")
    about = given.get("metadata") if isinstance(given.get("metadata"), dict) else {}
    parsed = Parsed("promptfoo", text((about or {}).get("promptfooVersion"), 40))
    parsed.measured_at = text(summary.get("timestamp"), 40) if isinstance(summary, dict) else ""
    outcomes, tried = Outcomes(), Counter[tuple[str, ...]]()
    for place, row in enumerate(rows):
        _row(place, row, parsed, outcomes, tried)
    for key in outcomes.rows:
        parsed.add(_finding(key, outcomes, tried[key]))
    return parsed


def _row(
    place: int, row: Any, parsed: Parsed, outcomes: Outcomes, tried: Counter[tuple[str, ...]]
) -> None:
    where = f"result {place}"
    if not isinstance(row, dict):
        return parsed.trouble(where, "not an object")
    key = _key(row)
    tried[key] += 1
    if row.get("failureReason") == ERROR or (row.get("error") and not row.get("gradingResult")):
        return parsed.trouble(where, f"not judged: {text(row.get('error'), 120) or 'an error'}")
    if not isinstance(row.get("success"), bool):
        return parsed.trouble(where, f"success is {text(row.get('success'), 40)!r}, not a boolean")
    cluster = row.get("testIdx") if isinstance(row.get("testIdx"), int) else where
    outcomes.add(key, cluster, float(not row["success"]))
    return None


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    """(plug-in or description, strategy, model)."""
    case = _dict(row.get("testCase"))
    about = {**_dict(case.get("metadata")), **_dict(row.get("metadata"))}
    provider = row.get("provider")
    if isinstance(provider, dict):
        provider = provider.get("label") or provider.get("id")
    group = text(about.get("pluginId")) or text(case.get("description")) or "tests"
    return group, text(about.get("strategyId"), 80), text(provider)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _finding(key: tuple[str, ...], outcomes: Outcomes, tried: int) -> Finding:
    group, strategy, model = key
    interval, method, n = outcomes.rate(key)
    label = f"{group} failed its assertions" + (f", by {strategy}" if strategy else "")
    judge = strategy or "assertions"
    said = {"tried": tried, "judged": n}
    return Finding(group, judge, label, model, *interval, n, method, "lower", said)
