"""From a result to what its page draws: tables, dumbbells and curves as inline SVG."""

from __future__ import annotations

from typing import Any

WIDTH, ROW, LEFT, RIGHT = 480, 26, 12, 12
BRIEF = 260
CURVE = 320


def of_run(result: dict[str, Any]) -> dict[str, Any]:
    """What the run page shows: figures by metric, charts, curves, samples by group."""
    return {
        "rows": by_metric(result),
        "curves": [curve(found) for found in result.get("curves", [])],
    }


def by_metric(result: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each metric: a chart, a figure for each arm and the paired differences."""
    arms = {arm["name"]: (place, arm["label"]) for place, arm in enumerate(result["arms"], 1)}
    gaps = {(row["metric"], row["arm"]): row for row in result["comparisons"]}
    rows: dict[str, dict[str, Any]] = {}
    for metric in result["metrics"]:
        row = rows.setdefault(metric["name"], {**metric, "arms": []})
        place, label = arms[metric["arm"]]
        gap = gaps.get((metric["name"], metric["arm"]))
        row["arms"].append({**metric, "place": place, "arm_label": label, "gap": gap})
    for row in rows.values():
        row["chart"] = dumbbell(row)
        row["test"] = next((arm["gap"]["test"] for arm in row["arms"] if arm["gap"]), "")
    return list(rows.values())


def dumbbell(row: dict[str, Any]) -> dict[str, Any] | None:
    """Dots with whiskers on a scale from 0 to 100 %, one line for each arm."""
    if row["unit"] != "share":
        return None
    span = WIDTH - LEFT - RIGHT
    dots = [
        {
            "place": arm["place"],
            "label": arm["arm_label"],
            "y": 14 + ROW * line,
            "x": round(LEFT + span * arm["value"], 1),
            "low": round(LEFT + span * arm["low"], 1),
            "high": round(LEFT + span * arm["high"], 1),
            "value": arm["value"],
        }
        for line, arm in enumerate(row["arms"])
    ]
    ticks = [
        {"x": LEFT + span * share // 100, "label": f"{share} %"} for share in (0, 25, 50, 75, 100)
    ]
    height = 14 + ROW * len(dots) + 16
    return {"label": row["label"], "dots": dots, "ticks": ticks, "width": WIDTH, "height": height}


def pair(figure: dict[str, Any], claim: float | None = None) -> dict[str, Any]:
    """A before-and-after dumbbell on one line, from 0 to 100 %, with a claimed value's mark."""
    span = BRIEF - 2 * LEFT

    def at(share: float) -> float:
        return round(LEFT + span * min(1.0, max(0.0, share)), 1)

    dots = [
        {"place": place, "y": y, **{k: at(figure[side][k]) for k in ("value", "low", "high")}}
        for place, side, y in ((1, "before", 10), (2, "after", 24))
    ]
    ticks = [{"x": at(share), "label": f"{100 * share:.0f} %"} for share in (0.0, 0.5, 1.0)]
    return {
        "width": BRIEF,
        "height": 48,
        "dots": dots,
        "ticks": ticks,
        "claim": None if claim is None else at(claim),
    }


def bar(found: Any) -> dict[str, Any] | None:
    """One rate with its interval on a line from 0 to 100 %; None for other quantities."""
    if found.unit != "share":
        return None
    span = BRIEF - 2 * LEFT
    at = {name: round(LEFT + span * getattr(found, name), 1) for name in ("value", "low", "high")}
    return {"width": BRIEF, "start": LEFT, "end": BRIEF - LEFT, **at}


def curve(found: dict[str, Any]) -> dict[str, Any]:
    """A square plot; each series is a polyline. Axes run from 0 to 1 or to what is measured."""
    dots = [point for line in found["series"] for point in line["points"]]
    width, height = (_reach([point[axis] for point in dots]) for axis in (0, 1))
    series = [
        {
            "place": place % 6 + 1,
            "dash": "" if place < 6 else "5 4",
            "label": line["label"],
            "auc": line.get("auc"),
            "points": " ".join(_point(x / width, y / height) for x, y in line["points"]),
        }
        for place, line in enumerate(found["series"])
    ]
    return {
        **found,
        "series": series,
        "size": CURVE,
        "right": _tick(width),
        "top": _tick(height),
        "chance": any(line["auc"] is not None for line in series),
    }


def _reach(values: list[float]) -> float:
    """Where an axis ends: at 1 for shares, else at the largest value."""
    return max(1.0, *values) if values else 1.0


def _tick(value: float) -> str:
    return f"{value:,.4g}"


def _point(x: float, y: float) -> str:
    return f"{CURVE * x:.1f},{CURVE * (1 - y):.1f}"
