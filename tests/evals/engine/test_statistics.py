"""Our statistics against SciPy and statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.proportion import proportion_confint

from evals.engine import statistics as stats


@pytest.mark.parametrize(("successes", "n"), [(0, 30), (1, 7), (15, 30), (94, 100), (100, 100)])
def test_wilson_equals_statsmodels(successes: int, n: int) -> None:
    low, high = proportion_confint(successes, n, method="wilson")
    assert stats.wilson(successes, n) == pytest.approx((successes / n, low, high), abs=1e-9)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_rate(pair: tuple[int, int]) -> None:
    value, low, high = stats.wilson(*pair)
    assert 0 <= low <= value <= high <= 1


@pytest.mark.parametrize("pair", [(0, 0), (3, 0), (3, 9), (12, 1), (40, 45)])
def test_mcnemar_equals_statsmodels(pair: tuple[int, int]) -> None:
    table = [[5, pair[0]], [pair[1], 5]]
    assert stats.mcnemar(*pair) == pytest.approx(reference_mcnemar(table, exact=True).pvalue)


def test_a_rate_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rate"):
        stats.wilson(0, 0)


def test_bootstrap_covers_the_mean_of_a_known_sample() -> None:
    values = np.random.default_rng(1).normal(5, 1, 400)
    value, low, high = stats.bootstrap(values, seed=0)
    assert value == pytest.approx(values.mean())
    # The normal interval of a mean of 400 with deviation 1 is 0.098 wide on each side.
    assert high - low == pytest.approx(4 * values.std() / 20, rel=0.1)


def test_clusters_widen_the_interval() -> None:
    values = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0] * 4
    clusters = [i // 4 for i in range(32)]
    alone = stats.bootstrap(values, seed=0)
    together = stats.bootstrap(values, seed=0, clusters=clusters)
    assert together.high - together.low > alone.high - alone.low


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [0.1, 0.5, 0.9, 0.3]
    assert stats.bootstrap(values, seed=3) == stats.bootstrap(values, seed=3)


def test_paired_difference_of_equal_arms_is_nothing() -> None:
    assert stats.paired_difference([1, 0, 1], [1, 0, 1], seed=0) == (0, 0, 0)


scores = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=40)


@given(scores, scores)
def test_auc_equals_mann_whitney(positives: list[float], negatives: list[float]) -> None:
    reference = mannwhitneyu(positives, negatives).statistic / (len(positives) * len(negatives))
    assert stats.auc(positives, negatives) == pytest.approx(reference)


@given(scores, scores)
def test_the_area_under_our_curve_is_the_auc(
    positives: list[float], negatives: list[float]
) -> None:
    points = stats.roc(positives, negatives)
    area = np.trapezoid([y for _, y in points], [x for x, _ in points])
    labels = [1] * len(positives) + [0] * len(negatives)
    assert area == pytest.approx(roc_auc_score(labels, positives + negatives))
    assert points[0] == (0.0, 0.0)
    assert points[-1] == (1.0, 1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=60))
def test_kappa_equals_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    ours, theirs = zip(*pairs, strict=True)
    if len({*ours, *theirs}) > 1:
        assert stats.cohen_kappa(ours, theirs) == pytest.approx(cohen_kappa_score(ours, theirs))
