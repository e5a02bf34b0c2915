"""Intervals and paired tests. Checked against SciPy and statsmodels in the tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Z95 = 1.959963984540054
RESAMPLES = 2000


class Interval(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, n: int) -> Interval:
    """Wilson's score interval for one rate (Wilson 1927, JASA 22:209).

    Raises ValueError unless 0 <= successes <= n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is no rate")
    rate = successes / n
    centre = rate + Z95**2 / (2 * n)
    spread = Z95 * math.sqrt(rate * (1 - rate) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return Interval(rate, max(0.0, min(low, rate)), min(1.0, max(high, rate)))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test (McNemar 1947, Psychometrika 12:153).

    The arguments are the two kinds of discordant pairs; with none, p is 1.
    """
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def bootstrap(
    values: Sequence[float],
    seed: int,
    clusters: Sequence[object] | None = None,
    statistic: Callable[[np.ndarray], float] | None = None,
) -> Interval:
    """Percentile bootstrap of a statistic (Efron 1979), by whole clusters where given.

    ``values`` and ``clusters`` have one length; the statistic is the mean unless one is given.
    Raises ValueError where there is none.
    """
    data = np.asarray(values, dtype=float)
    if data.size == 0:
        raise ValueError("nothing to resample")
    groups = _groups(data, clusters)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(groups), size=(RESAMPLES, len(groups)))
    if statistic is None:  # sums are enough for a mean, and a hundred times as fast
        sums, sizes = (np.array([f(group) for group in groups]) for f in (np.sum, np.size))
        drawn = list(sums[picks].sum(axis=1) / sizes[picks].sum(axis=1))
        value = float(np.mean(data))
    else:
        drawn = [statistic(np.concatenate([groups[i] for i in row])) for row in picks]
        value = statistic(data)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def _groups(data: np.ndarray, clusters: Sequence[object] | None) -> list[np.ndarray]:
    if clusters is None:
        return [data[i : i + 1] for i in range(data.size)]
    members: dict[object, list[int]] = {}
    for place, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(place)
    return [data[places] for places in members.values()]


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    seed: int,
    clusters: Sequence[object] | None = None,
) -> Interval:
    """Mean of first minus second over the same prompts, by (clustered) paired bootstrap."""
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    return bootstrap(gaps, seed, clusters)


def auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Area under the ROC curve: how often a positive outscores a negative, ties half.

    Equal to the Mann-Whitney U over the product of the sizes (Hanley & McNeil 1982).
    """
    if not positives or not negatives:
        raise ValueError("both classes need a member")
    below = np.sort(np.asarray(negatives))
    wins = np.searchsorted(below, positives, "left")
    ties = np.searchsorted(below, positives, "right") - wins
    return float((wins + ties / 2).sum() / (len(positives) * len(negatives)))


def roc(positives: Sequence[float], negatives: Sequence[float]) -> list[tuple[float, float]]:
    """(false alarm rate, detection rate) at every threshold, from (0, 0) to (1, 1)."""
    high, low = np.sort(np.asarray(positives)), np.sort(np.asarray(negatives))
    cuts = np.unique(np.concatenate([high, low]))[::-1]
    points = [
        (
            float((len(low) - np.searchsorted(low, cut, "left")) / len(low)),
            float((len(high) - np.searchsorted(high, cut, "left")) / len(high)),
        )
        for cut in cuts
    ]
    return [(0.0, 0.0), *points]


def cohen_kappa(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Agreement of two raters beyond chance (Cohen 1960); 1 where both never vary alike."""
    n = len(ours)
    agree = sum(a == b for a, b in zip(ours, theirs, strict=True)) / n
    yes, also = sum(ours) / n, sum(theirs) / n
    chance = yes * also + (1 - yes) * (1 - also)
    return 1.0 if chance == 1 else (agree - chance) / (1 - chance)


def sign_flip(gaps: Sequence[float], seed: int, clusters: Sequence[object] | None = None) -> float:
    """Two-sided p that paired differences centre on 0, by flipping the signs of clusters.

    A randomisation test (Fisher 1935; Edgington & Onghena 2007) of 5,000 draws, the observed
    one counted in, so that p is never 0.
    """
    sums = np.array([group.sum() for group in _groups(np.asarray(gaps, dtype=float), clusters)])
    rng = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            np.abs(rng.choice([-1.0, 1.0], size=(rows, len(sums))) @ sums)
            for rows in _portions(5000, len(sums))
        ]
    )
    return float((1 + (drawn >= abs(sums.sum()) - 1e-12).sum()) / (1 + len(drawn)))


def _portions(rows: int, width: int) -> list[int]:
    """``rows`` in portions of at most some millions of cells, which bounds the memory."""
    portion = max(1, min(rows, 4_000_000 // width))
    return [min(portion, rows - start) for start in range(0, rows, portion)]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for having made all these comparisons (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def detectable_difference(rate: float, n: int, power_z: float = 0.8416212335729143) -> float:
    """The fall of a rate that n prompts an arm show with a power of 0.8 at two-sided 5 %.

    Found by halving (Cohen's formula for two proportions; Fleiss et al. 2003, ch. 4).
    """
    low, high = 0.0, max(rate, 1 - rate)
    for _ in range(40):
        middle = (low + high) / 2
        other = rate - middle if rate >= middle else rate + middle
        mean = (rate + other) / 2
        needed = Z95 * math.sqrt(2 * mean * (1 - mean)) + power_z * math.sqrt(
            rate * (1 - rate) + other * (1 - other)
        )
        low, high = (low, middle) if middle * math.sqrt(n) >= needed else (middle, high)
    return high


def corrected_rate(successes: int, n: int, missed: float, false_alarms: float) -> Interval:
    """A rate corrected for a judge's error (Rogan & Gladen 1978, Am. J. Epidemiol. 107:71).

    ``missed`` is the share of true cases that the judge misses, ``false_alarms`` the share
    of others it takes for one. The interval carries the sampling error of the rate alone.
    Raises ValueError where the judge is no better than chance.
    """
    youden = 1 - missed - false_alarms
    if youden <= 0:
        raise ValueError("a judge no better than chance corrects nothing")
    value, low, high = (
        min(1.0, max(0.0, (x - false_alarms) / youden)) for x in wilson(successes, n)
    )
    return Interval(value, low, high)
