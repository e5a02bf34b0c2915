"""The few figures of a record that lists, grades and comparisons need.

An adaptive measure is one that says so in its name or label; the price is what happens to
benign requests, utility and latency.
"""

from __future__ import annotations

from typing import Any

ATTACKS = ("attack-success", "non-refusal", "on-topic")
PRICES = ("benign-refusal", "false-alarms", "utility", "latency")


def summarise(result: dict[str, Any]) -> dict[str, Any]:
    """The primary effect, the adaptive ones beside it, and the price, as plain values.

    Each figure has ``measure, label, unit, better, before, after, gap``; empty where a record
    has no primary comparison.
    """
    primary = next((row for row in result["comparisons"] if row["primary"]), None)
    if primary is None:
        return {}
    labels = {arm["name"]: arm["label"] for arm in result["arms"]}
    figures = {
        row["metric"]: figure
        for row in result["comparisons"]
        if row["arm"] == primary["arm"] and (figure := _figure(result, row))
    }
    return {
        "arm": primary["arm"],
        "arm_label": labels[primary["arm"]],
        "baseline_label": labels[primary["baseline"]],
        "effect": figures.get(primary["metric"]),
        "adaptive": [f for name, f in figures.items() if name != primary["metric"] and adaptive(f)],
        "price": [_price(result, primary, name, figures) for name in _priced(result)],
    }


def adaptive(figure: dict[str, Any]) -> bool:
    """Whether a figure is of an attack that knows the mitigation."""
    name = figure.get("measure") or figure.get("name", "")
    return "adaptive" in f"{name} {figure['label']}".lower()


def attacks(row: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether a measure of a record is an attack's success; ``found`` is the record's summary."""
    known = {figure["measure"] for figure in (found["effect"], *found["adaptive"])}
    return row["unit"] == "share" and (row["name"] in known or row["name"].startswith(ATTACKS))


def _figure(result: dict[str, Any], row: dict[str, Any]) -> dict[str, Any] | None:
    before = _metric(result, row["metric"], row["baseline"])
    after = _metric(result, row["metric"], row["arm"])
    if before is None or after is None:
        return None
    gap = {name: row[name] for name in ("difference", "low", "high", "p_value", "n_pairs")}
    return _row(before, after, gap)


def _price(
    result: dict[str, Any], primary: dict[str, Any], name: str, figures: dict[str, Any]
) -> dict[str, Any]:
    """A figure of the price; times have no paired comparison, and so no gap."""
    if name in figures:
        found: dict[str, Any] = figures[name]
        return found
    before = _metric(result, name, primary["baseline"])
    after = _metric(result, name, primary["arm"])
    return _row(before or {}, after or {}, None)


def _priced(result: dict[str, Any]) -> list[str]:
    known = {row["name"] for row in result["metrics"]}
    return [name for name in PRICES if name in known]


def _metric(result: dict[str, Any], name: str, arm: str) -> dict[str, Any] | None:
    rows = (row for row in result["metrics"] if (row["name"], row["arm"]) == (name, arm))
    return next(rows, None)


def _row(
    before: dict[str, Any], after: dict[str, Any], gap: dict[str, Any] | None
) -> dict[str, Any]:
    said = before or after
    keep = ("value", "low", "high", "n")
    return {
        "measure": said.get("name", ""),
        "label": said.get("label", ""),
        "unit": said.get("unit", ""),
        "better": said.get("better", ""),
        "before": {name: before.get(name) for name in keep},
        "after": {name: after.get(name) for name in keep},
        "gap": gap,
    }
