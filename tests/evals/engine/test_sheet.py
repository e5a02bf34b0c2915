"""Sheets: figures, pairs, clusters, and the verdict that stands before them."""

from __future__ import annotations

import json

import pytest

from evals.engine import provenance
from evals.engine import sheet as sheets
from evals.engine import statistics as stats
from evals.engine.result import Arm
from evals.engine.sheet import Measure, Roles, Sheet, finish
from evals.engine.spec import Spec

ARMS = [Arm("undefended", "No mitigation"), Arm("filter", "Filter"), Arm("guard", "Guard")]
MEASURES = [
    Measure("attack-success", "Attack success", "lower"),
    Measure("utility", "Utility", "higher"),
    Measure("latency", "Time", "lower", unit="ms"),
]


def filled(n: int = 40, before: int = 20, after: int = 4, kept: int = 40) -> Sheet:
    """``before`` and ``after`` of ``n`` attacks succeed; ``kept`` of ``n`` answers stay right."""
    found = Sheet(ARMS[:2], MEASURES, seed=0)
    for i in range(n):
        found.add("attack-success", "undefended", f"a{i}", i < before)
        found.add("attack-success", "filter", f"a{i}", i < after)
        found.add("utility", "undefended", f"b{i}", True)
        found.add("utility", "filter", f"b{i}", i < kept)
    found.add_times({"undefended": [100.0, 120.0, 90.0], "filter": [130.0, 150.0, 120.0]})
    return found


def record(given: Sheet) -> sheets.Result:
    spec = Spec.create("perplexity-filter")
    roles = Roles("attack-success", "filter", utility="utility")
    return finish(spec, provenance.Stopwatch(), given, roles, model={"name": "fake"}, data=[])


def test_shares_of_separate_units_are_wilsons() -> None:
    row = next(m for m in filled().metrics() if (m.name, m.arm) == ("attack-success", "filter"))
    assert (row.value, row.low, row.high) == stats.wilson(4, 40)
    assert (row.n, row.method, row.better) == (40, "Wilson", "lower")


def test_times_are_medians_in_milliseconds() -> None:
    row = next(m for m in filled().metrics() if (m.name, m.arm) == ("latency", "undefended"))
    assert (row.value, row.unit, row.method) == (100.0, "ms", "bootstrap of the median")


def test_the_paired_test_is_mcnemars() -> None:
    row = filled().comparisons(("attack-success", "filter"))[0]
    assert row.primary
    assert (row.difference, row.n_pairs) == (pytest.approx(-0.4), 40)
    assert row.p_value == stats.mcnemar(0, 16)
    assert row.test.startswith("exact McNemar")


def test_units_that_hang_together_are_resampled_together() -> None:
    found = Sheet(ARMS[:2], MEASURES, seed=0)
    for i in range(40):
        for arm in ("undefended", "filter"):
            # Ten clusters of four, alike inside: ten observations, not forty.
            found.add("attack-success", arm, f"a{i}", (i // 4) % 2, cluster=f"c{i // 4}")
    row = found.metrics()[0]
    assert row.method == "bootstrap by cluster"
    assert row.high - row.low > 1.5 * (stats.wilson(20, 40).high - stats.wilson(20, 40).low)
    assert found.comparisons(("", ""))[0].test.startswith("sign flips by cluster")


def test_only_shared_units_are_compared() -> None:
    found = Sheet(ARMS[:2], MEASURES, seed=0)
    for i in range(10):
        found.add("utility", "undefended", f"u{i}", 1)
    for i in range(5, 20):
        found.add("utility", "filter", f"u{i}", 0)
    row = found.comparisons(("", ""))[0]
    assert (row.n_pairs, row.difference) == (5, -1)


def test_a_measure_must_be_declared() -> None:
    with pytest.raises(KeyError):
        filled().add("harm", "filter", "a0", 1)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (filled(), "measurable"),
        (filled(n=20), "too-few"),
        (filled(before=2, after=0), "floor"),
        (filled(kept=15), "utility-collapsed"),
    ],
)
def test_the_verdict_comes_first(given: Sheet, verdict: str) -> None:
    assert record(given).validity.verdict == verdict


def test_a_record_is_plain_values_and_says_its_power() -> None:
    found = record(filled()).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert any("four times in five" in note for note in found["notes"])
    assert found["provenance"]["model"] == {"name": "fake"}


def test_many_arms_are_corrected_for() -> None:
    found = Sheet(ARMS, MEASURES, seed=0)
    for i in range(40):
        found.add("attack-success", "undefended", f"a{i}", i < 20)
        found.add("attack-success", "filter", f"a{i}", i < 14)
        found.add("attack-success", "guard", f"a{i}", i < 12)
    note = next(note for note in record(found).notes if "Holm" in note)
    p_values = stats.holm([stats.mcnemar(0, 6), stats.mcnemar(0, 8)])
    assert f"filter {p_values[0]:.2g}, guard {p_values[1]:.2g}" in note


def test_the_judges_error_stands_beside_what_it_judged() -> None:
    assert "kappa" in sheets.refusal_note()
