"""From rows to what a page draws: shades of the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .queries.lifecycle import Home

SHADES = 4


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: kind, papers, and its shade from 0 (none) to 4 (most)."""

    kind: str
    count: int
    shade: int


def matrix(home: Home) -> dict[str, Any]:
    """The home page's rows with shaded cells.

    Shades are quantiles of the filled cells: equal widths would leave all but one pale.
    """
    filled = sorted(count for row in home.rows for _, count in row.cells if count)
    rows = [
        {
            "stage": row.stage,
            "papers": row.papers,
            "risks": row.risks,
            "mitigations": row.mitigations,
            "measured": row.measured,
            "cells": [Cell(kind, count, shade(count, filled)) for kind, count in row.cells],
        }
        for row in home.rows
    ]
    return {"kinds": home.kinds, "rows": rows, "totals": home.totals}


def shade(count: int, filled: list[int]) -> int:
    """0 for none, else the quarter of the sorted ``filled`` counts that ``count`` falls in."""
    if not count:
        return 0
    below = sum(other < count for other in filled)
    return 1 + min(SHADES - 1, SHADES * below // len(filled))
