"""How sure a model is of its answer, and how well that fits how often it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import tuning
from .language_model import Chat, LanguageModel
from .tuning import Example


def probabilities(
    model: LanguageModel, chats: Sequence[Chat], answers: Sequence[str]
) -> list[float]:
    """The geometric mean of the probabilities of each answer's tokens, its end included."""
    examples = [Example(chat, answer) for chat, answer in zip(chats, answers, strict=True)]
    return [float(np.exp(-loss)) for loss in tuning.losses_of(model, examples)]


def threshold(confidences: Sequence[float], right: Sequence[bool], withheld: float) -> float:
    """The highest cut below which no more than a share ``withheld`` of right answers lie.

    Raises ValueError where no answer is right: there is nothing to calibrate on.
    """
    sure = sorted(c for c, yes in zip(confidences, right, strict=True) if yes)
    if not sure:
        raise ValueError("no answer on the calibration half is right")
    return float(sure[int(withheld * len(sure))])


def calibration_error(confidences: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error over bins of equal width (Naeini et al. 2015; Guo et al. 2017)."""
    gaps = [abs(sure - rate) * n for sure, rate, n in reliability(confidences, right, bins)]
    return sum(gaps) / len(confidences)


def reliability(
    confidences: Sequence[float], right: Sequence[bool], bins: int = 10
) -> list[tuple[float, float, int]]:
    """(mean confidence, share right, answers) of each bin that has any."""
    sure, hits = np.asarray(confidences, dtype=float), np.asarray(right, dtype=float)
    places = np.minimum((sure * bins).astype(int), bins - 1)
    return [
        (float(sure[places == k].mean()), float(hits[places == k].mean()), int((places == k).sum()))
        for k in range(bins)
        if (places == k).any()
    ]


def risk_coverage(confidences: Sequence[float], right: Sequence[bool]) -> list[list[float]]:
    """[share answered, share of those that is wrong] as the cut falls (El-Yaniv & Wiener 2010)."""
    order = np.argsort(-np.asarray(confidences, dtype=float), kind="stable")
    wrong = np.cumsum(1 - np.asarray(right, dtype=float)[order])
    answered = np.arange(1, len(order) + 1)
    return [[float(n / len(order)), float(w / n)] for n, w in zip(answered, wrong, strict=True)]


def curves(series: Mapping[str, tuple[Sequence[float], Sequence[bool]]]) -> list[dict[str, Any]]:
    """Risk against coverage, and reliability, of each named score."""
    return [
        {
            "name": "risk-coverage",
            "title": "Errors among the answers given, as fewer are withheld",
            "x_label": "share of questions answered",
            "y_label": "share of answers that is wrong",
            "series": [
                {"label": name, "points": risk_coverage(*row)} for name, row in series.items()
            ],
        },
        {
            "name": "reliability",
            "title": "Share right against confidence",
            "x_label": "mean confidence in the bin",
            "y_label": "share right",
            "series": [
                {"label": name, "points": [[sure, rate] for sure, rate, _ in reliability(*row)]}
                for name, row in series.items()
            ],
        },
    ]
