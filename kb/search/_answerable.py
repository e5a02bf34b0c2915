"""Whether anything here answers a query: a logistic model over what the legs found.

The model, its threshold and where it was calibrated stand in ``answerability.json``, which
``python -m bench.search.calibrate`` writes from the answerable and unanswerable queries of
the test collection. The threshold lets at most one answerable query in twenty be doubted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

CALIBRATION = Path(__file__).with_name("answerability.json")
# Which evidence each model reads; without vectors, words alone have to do.
MODELS = {
    "meaning and words": ("nearest", "topic", "held", "length"),
    "words": ("held", "known", "length"),
}
FIRST = 5


@dataclass(frozen=True)
class Evidence:
    """What a query's legs say about whether it can be answered."""

    values: Mapping[str, float]

    @property
    def model(self) -> str:
        """The model that can read this evidence."""
        return "meaning and words" if "nearest" in self.values else "words"


def evidence(
    worth: Mapping[str, float],
    known: Sequence[str],
    held: Sequence[float],
    nearest: float | None = None,
    topic: float = 0.0,
) -> Evidence:
    """The evidence of a query.

    ``worth`` is {lexeme: weight times idf}, ``known`` the lexemes that any paper holds,
    ``held`` the worth of the lexemes in each of the first papers by words, ``nearest`` the
    cosine of the nearest paper (None without vectors) and ``topic`` that of the nearest risk.
    """
    total = sum(worth.values()) or 1.0
    values = {
        "held": sum(held) / (FIRST * total),
        "known": sum(worth[lexeme] for lexeme in known) / total,
        "length": math.log1p(len(worth)),
    }
    if nearest is not None:
        values |= {"nearest": nearest, "topic": topic}
    return Evidence(values)


def log_odds(found: Evidence) -> float:
    """The log odds that something answers, less the threshold: negative means nothing does."""
    model = _calibration()["models"][found.model]
    terms = zip(model["weights"], model["features"], model["means"], model["scales"], strict=True)
    score = model["intercept"] + sum(
        weight * (found.values[name] - mean) / scale for weight, name, mean, scale in terms
    )
    return float(score - model["threshold"])


@lru_cache
def _calibration() -> dict[str, Any]:
    calibration: dict[str, Any] = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    return calibration
