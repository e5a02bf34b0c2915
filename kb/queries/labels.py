"""Names, addresses and stages of what papers are placed under, read once for each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from taxonomy.models import Category, Risk, Stage


@dataclass(frozen=True)
class Target:
    """A risk or a category, as far as a list shows it; called as the models call theirs."""

    slug: str
    name: str
    get_absolute_url: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Labels:
    """The taxonomy by ids: what is shown of it, and the places of stages in their order."""

    stages: list[tuple[str, str]]
    risk: dict[int, Target]
    category: dict[int, Target]
    stage_of_risk: np.ndarray
    stage_of_category: np.ndarray


@lru_cache(maxsize=1)
def labels(version: str) -> Labels:
    """The labels under one version of the taxonomy (``search.taxonomy_version``)."""
    stages = list(Stage.objects.order_by("position"))
    place = {stage.pk: number for number, stage in enumerate(stages)}
    risks = Risk.objects.select_related("category").in_bulk()
    categories = Category.objects.in_bulk()
    return Labels(
        [(stage.slug, stage.name) for stage in stages],
        _targets(risks),
        _targets(categories),
        _by_id({pk: place[risk.category.stage_id] for pk, risk in risks.items()}),
        _by_id({pk: place[category.stage_id] for pk, category in categories.items()}),
    )


def _targets(rows: Mapping[int, Risk | Category]) -> dict[int, Target]:
    return {pk: Target(row.slug, str(row), row.get_absolute_url()) for pk, row in rows.items()}


def _by_id(places: dict[int, int]) -> np.ndarray:
    """An array that has each place at its id, and -1 elsewhere."""
    found = np.full(max(places, default=0) + 1, -1)
    found[list(places)] = list(places.values())
    return found


def at(places: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The place of each id; -1 where it is unknown, as what was deleted a moment ago is."""
    return np.where(ids < len(places), places[np.minimum(ids, len(places) - 1)], -1)
