"""Specifications, parameters and the registry: what is refused, and how it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.engine import registry
from evals.engine.params import BadParameter, Param
from evals.engine.registry import UnknownName
from evals.engine.spec import Spec

COUNT = Param("n", "int", 100, "prompts", low=30, high=200)


def test_defaults_are_filled_in() -> None:
    spec = Spec.create("perplexity-filter")
    assert spec.risk == "adversarial-suffix"
    assert spec.params["n"] == 100


def test_a_specification_survives_json() -> None:
    spec = Spec.create("perplexity-filter", seed=7, params={"window": 5})
    again = Spec.from_dict(spec.to_dict())
    assert again == spec
    assert again.digest == spec.digest


def test_every_part_changes_the_digest() -> None:
    specs = [
        Spec.create("perplexity-filter"),
        Spec.create("perplexity-filter", seed=1),
        Spec.create("perplexity-filter", params={"n": 31}),
    ]
    assert len({spec.digest for spec in specs}) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mitigation": "perplexity-fliter"}, "perplexity-filter"),
        ({"mitigation": "perplexity-filter", "risk": "hallucination"}, "adversarial-suffix"),
        ({"mitigation": "perplexity-filter", "target": "gpt"}, "smollm2-135m-instruct"),
    ],
)
def test_unknown_names_list_the_nearest(given: dict[str, str], said: str) -> None:
    with pytest.raises(UnknownName, match=said):
        Spec.from_dict(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"params": {"n": 5}}, "from 30 to 200"),
        ({"params": {"n": 50.5}}, "from 30 to 200"),
        ({"params": {"n": "many"}}, "from 30 to 200"),
        ({"params": {"n": True}}, "from 30 to 200"),
        ({"params": {"n": float("nan")}}, "from 30 to 200"),
        ({"params": {"mode": "x"}}, "No parameter 'mode'"),
        ({"seed": -1}, "seed is a whole number"),
        ({"extra": 1}, "not 'extra'"),
    ],
)
def test_bad_values_say_what_is_allowed(given: dict[str, object], said: str) -> None:
    with pytest.raises(BadParameter, match=said):
        Spec.from_dict({"mitigation": "perplexity-filter", **given})


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.integers())))
def test_any_value_is_a_number_in_range_or_refused(raw: object) -> None:
    try:
        value = COUNT.parse(raw)
    except BadParameter:
        return
    assert isinstance(value, int)
    assert 30 <= value <= 200


def test_switches_and_choices() -> None:
    assert Param("b", "bool", False, "").parse("on") is True
    with pytest.raises(BadParameter, match="true or false"):
        Param("b", "bool", False, "").parse("maybe")
    with pytest.raises(BadParameter, match="one of a, b"):
        Param("c", "choice", "a", "", choices=("a", "b")).parse("z")


def test_every_mitigation_names_targets_that_exist() -> None:
    for mitigation in registry.mitigations():
        assert all(registry.get_target(slug) for slug in mitigation.targets)
        assert mitigation.risks
