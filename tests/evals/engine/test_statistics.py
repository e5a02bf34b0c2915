"""Our statistics against SciPy and statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, permutation_test
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

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


@pytest.mark.parametrize("seed", range(4))
def test_sign_flips_equal_scipys_exact_permutations(seed: int) -> None:
    gaps = np.random.default_rng(seed).normal(0.3, 1, 12)
    exact = permutation_test(
        (gaps,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert stats.sign_flip(gaps.tolist(), seed=0) == pytest.approx(exact.pvalue, abs=0.02)


def test_sign_flips_of_clusters_know_how_few_they_are() -> None:
    gaps, clusters = [1.0] * 40, [i // 10 for i in range(40)]
    # Four clusters, all one way: 2 of 2^4 arrangements are as far out.
    assert stats.sign_flip(gaps, seed=0, clusters=clusters) == pytest.approx(2 / 16, abs=0.02)
    assert stats.sign_flip(gaps, seed=0) < 0.001
    assert stats.sign_flip([0.0] * 10, seed=0) == 1


@pytest.mark.parametrize(
    "p_values", [[0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.9], [0.02, 0.02, 1.0, 0.0]]
)
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    reference = multipletests(p_values, method="holm")[1]
    assert stats.holm(p_values) == pytest.approx(list(reference), abs=1e-12)


@pytest.mark.parametrize(("rate", "n"), [(0.3, 100), (0.5, 100), (0.6, 60), (0.9, 200), (0.5, 400)])
def test_the_detectable_difference_has_a_power_of_four_fifths(rate: float, n: int) -> None:
    gap = stats.detectable_difference(rate, n)
    effect = proportion_effectsize(rate, rate - gap)
    power = NormalIndPower().power(effect, n, 0.05, ratio=1.0)
    # statsmodels takes Cohen's arcsine scale, ours the plain one: near, not equal.
    assert power == pytest.approx(0.8, abs=0.03)


def test_more_prompts_show_smaller_differences() -> None:
    gaps = [stats.detectable_difference(0.5, n) for n in (30, 100, 300, 1000)]
    assert gaps == sorted(gaps, reverse=True)
    assert 0 < gaps[-1] < 0.07


@pytest.mark.parametrize(("truth", "missed", "alarms"), [(0.5, 0.2, 0.1), (0.1, 0.3, 0.05)])
def test_a_judges_error_is_undone(truth: float, missed: float, alarms: float) -> None:
    seen = truth * (1 - missed) + (1 - truth) * alarms
    value, low, high = stats.corrected_rate(round(seen * 10_000), 10_000, missed, alarms)
    assert value == pytest.approx(truth, abs=1e-3)
    assert low < truth < high


def test_a_perfect_judge_corrects_nothing() -> None:
    assert stats.corrected_rate(30, 100, 0, 0) == stats.wilson(30, 100)


def test_a_judge_no_better_than_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="chance"):
        stats.corrected_rate(30, 100, 0.6, 0.4)
