"""The evidence grade follows from a record by rule."""

from __future__ import annotations

from typing import Any

import pytest

from evals.grading import grade
from evals.summary import summarise


def figure(name: str, arm: str, value: float) -> dict[str, Any]:
    better = "higher" if name == "utility" else "lower"
    label = name.replace("-", " ")
    kept = {"low": value, "high": value, "n": 100, "method": "Wilson", "unit": "share"}
    return {"name": name, "label": label, "arm": arm, "value": value, "better": better, **kept}


def gap(name: str, low: float, high: float, primary: bool = False) -> dict[str, Any]:
    middle = (low + high) / 2
    rest = {"p_value": 0.01, "n_pairs": 100, "test": "exact McNemar", "primary": primary}
    arms = {"arm": "with", "baseline": "without"}
    return {"metric": name, "difference": middle, "low": low, "high": high, **arms, **rest}


def summary(**gaps: tuple[float, float]) -> dict[str, Any]:
    """A record's summary; ``attack`` is the primary measure, names have - for _."""
    names = [name.replace("_", "-") for name in gaps]
    return summarise(
        {
            "arms": [{"name": "without", "label": "Without"}, {"name": "with", "label": "With"}],
            "metrics": [figure(n, arm, 0.5) for n in names for arm in ("without", "with")],
            "comparisons": [
                gap(n, *bounds, primary=n == "attack")
                for n, bounds in zip(names, gaps.values(), strict=True)
            ],
        }
    )


WORKS, FAILS = (-0.6, -0.3), (-0.1, 0.1)


@pytest.mark.parametrize(
    ("verdict", "gaps", "wanted"),
    [
        ("measurable", {"attack": WORKS, "attack_adaptive": WORKS}, "reproduced"),
        ("measurable", {"attack": WORKS, "attack_adaptive": FAILS}, "partly"),
        ("measurable", {"attack": WORKS}, "partly"),
        ("measurable", {"attack": FAILS, "attack_adaptive": WORKS}, "refuted"),
        ("measurable", {"attack": (0.1, 0.3)}, "refuted"),
        ("floor", {"attack": WORKS, "attack_adaptive": WORKS}, "not-measurable"),
        (
            "measurable",
            {"attack": WORKS, "attack_adaptive": WORKS, "benign_refusal": (0.1, 0.3)},
            "partly",
        ),
        (
            "measurable",
            {"attack": WORKS, "attack_adaptive": WORKS, "benign_refusal": (0.01, 0.05)},
            "reproduced",
        ),
        (
            "measurable",
            {"attack": WORKS, "attack_adaptive": WORKS, "utility": (-0.4, -0.2)},
            "partly",
        ),
    ],
)
def test_the_grade_follows_the_run(verdict: str, gaps: dict[str, Any], wanted: str) -> None:
    found, reason = grade(verdict, summary(**gaps), claimed=True)
    assert found == wanted, reason
    assert reason


def test_an_adaptive_attack_that_never_works_says_nothing() -> None:
    found = summary(attack=WORKS, first_adaptive=FAILS, second_adaptive=WORKS)
    assert grade("measurable", found, claimed=False)[0] == "partly"
    for side in ("before", "after"):
        found["adaptive"][0][side]["value"] = 0.02
    assert grade("measurable", found, claimed=False)[0] == "reproduced"
    del found["adaptive"][1]
    assert grade("measurable", found, claimed=False)[1].endswith("succeeds, with it or without.")


def test_without_a_run_there_is_a_claim_or_nothing() -> None:
    assert grade("", {}, claimed=True)[0] == "claimed"
    assert grade("", {}, claimed=False)[0] == "not-run"


def test_a_record_without_a_primary_comparison_has_no_effect() -> None:
    assert summarise({"arms": [], "metrics": [], "comparisons": []}) == {}
    assert grade("measurable", {}, claimed=False)[0] == "not-measurable"
