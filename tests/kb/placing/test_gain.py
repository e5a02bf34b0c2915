"""The order of the queue: what is certain and scarce first, topics in turn."""

from __future__ import annotations

import numpy as np
import pytest

from kb.placing import gain
from kb.placing.gain import in_turn

STAGES = np.array([0, 0, 1, 1])


def test_a_scarce_risk_counts_more_and_a_surer_offer_too() -> None:
    curated = np.array([40, 4, 20, 20])
    sure = np.array([[0.9, 0, 0, 0], [0, 0.9, 0, 0], [0, 0.5, 0, 0]])
    many, scarce, unsure = in_turn(sure, curated, STAGES)
    assert scarce > unsure > many
    assert scarce == pytest.approx(0.9 * (21 / 5 + 42 / 45))


def test_half_suspected_scarce_risks_do_not_count() -> None:
    """A paper about nothing here: a little of everything scarce, and nothing for certain."""
    curated = np.array([30, 3, 3, 3])
    sure = np.array([[0.36, 0.34, 0.33, 0.32], [0.1, 0.8, 0.1, 0.1]])
    off_topic, on_topic = in_turn(sure, curated, STAGES)
    assert on_topic > 3 * off_topic
    alone = in_turn(np.array([[0.36, 0, 0, 0]]), curated, STAGES)
    assert in_turn(sure[:1], curated, STAGES) == pytest.approx(alone)


def test_topics_take_turns() -> None:
    curated = np.array([3, 4, 20, 20])
    sure = np.array([[0.9, 0, 0, 0]] * 5 + [[0, 0.9, 0, 0]] * 5)
    order = np.argsort(-in_turn(sure, curated, STAGES), kind="stable")
    assert {0, 1} == {int(place >= 5) for place in order[:3]}


def test_beyond_the_weighed_turns_the_order_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    sure, curated = rng.random((40, 4)), np.array([3, 9, 20, 2])
    whole = in_turn(sure, curated, STAGES)
    monkeypatch.setattr(gain, "TURNS", 10)
    part = in_turn(sure, curated, STAGES)
    first = np.argsort(-whole)[:10]
    assert part[first] == pytest.approx(whole[first])
    assert part[first].min() >= np.delete(part, first).max() > 0
