"""What each seed of a training experiment found, as a note beside the pooled figures."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from .sheet import Sheet


def by_seed(sheet: Sheet, measure: str) -> str:
    """The mean of a measure under each seed, arm by arm; units begin with their seed."""
    said = []
    for arm in sheet.arms:
        found: dict[str, list[float]] = defaultdict(list)
        for unit, value in sheet.values(measure, arm.name).items():
            found[unit.split("-")[0]].append(value)
        if found:
            means = " / ".join(f"{np.mean(row):.2f}" for row in found.values())
            said.append(f"{arm.name} {means}")
    return f"{sheet.measures[measure].label}, seed by seed: {'; '.join(said)}."
