"""The green-list watermark and the detectors that need none."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from evals.engine import detection, provenance, sampling, watermark
from evals.engine.mitigations import green_list_watermark as marking
from evals.engine.mitigations import text_provenance_detection as telling
from evals.engine.spec import Spec
from evals.engine.watermark import Mark
from tests.evals.engine.tiny_language_model import tiny

MARK = Mark(key=7, gamma=0.25, delta=4.0)


def test_about_gamma_of_the_vocabulary_is_green_after_any_token() -> None:
    for before in (0, 5, 40_000):
        assert abs(MARK.green(before, np.arange(20_000)).mean() - 0.25) < 0.02


def test_the_green_list_hangs_on_key_and_context() -> None:
    words = np.arange(1000)
    assert (MARK.green(1, words) != MARK.green(2, words)).any()
    assert (MARK.green(1, words) != Mark(8).green(1, words)).any()
    assert (MARK.green(1, words) == Mark(7).green(1, words)).all()


def test_marked_text_is_found_and_unmarked_is_not() -> None:
    model = tiny()
    marked, plain = (
        [
            marking.encode(model, text)
            for text in sampling.sample(model, ["what is"] * 8, 60, 1, 1.0, hand)
        ]
        for hand in (MARK.process, None)
    )
    assert min(MARK.z(ids) for ids in marked) > 4
    assert max(MARK.z(ids) for ids in plain) < 4
    assert max(Mark(8).z(ids) for ids in marked) < 4


def test_every_second_token_leaves_no_pair_whole() -> None:
    ids = list(range(10, 30))
    washed = watermark.every_second(ids, [[i + 1, 5] for i in ids])
    assert not set(itertools.pairwise(ids)) & set(itertools.pairwise(washed))
    assert washed[::2] == ids[::2]


def test_substitution_replaces_the_share() -> None:
    washed = watermark.substituted([1] * 1000, 0.3, 50_000, seed=0)
    assert 650 < washed.count(1) < 750


def test_repeated_pairs_count_once_and_nothing_is_nothing() -> None:
    assert MARK.z([]) == MARK.z([4]) == 0.0
    assert MARK.z([1, 2] * 50) == MARK.z([1, 2, 1])


def test_a_watermark_run_holds_every_figure() -> None:
    spec = Spec.create("green-list-watermark", params={"n": 30, "tokens": 24})
    result = marking.measure_on(tiny(), spec, lambda p: None, provenance.Stopwatch())
    names = {(m.name, m.arm) for m in result.metrics}
    wanted = {"attack-success", "attack-success-adaptive", "benign-refusal", "utility", "latency"}
    assert {(name, arm.name) for name in wanted for arm in marking.ARMS} <= names
    json.dumps(result.to_dict())


def test_curvature_is_higher_for_likely_text() -> None:
    model = tiny()
    ids = marking.encode(model, "what is the national plant of")
    likely = model.tokenizer.decode([row[0] for row in sampling.next_tokens(model, ids, 1)])
    assert detection.curvature(model, "") == 0.0
    assert np.isfinite(detection.curvature(model, likely))


def test_the_classifier_tells_what_it_was_shown() -> None:
    judge = detection.by_classifier(["blue sky"] * 5, ["red earth"] * 5)
    machine, person = judge(["a blue sky", "the red earth"])
    assert machine > 0 > person


def test_nobodys_paragraph_serves_twice() -> None:
    people = telling.gather(30, 0)
    groups = [people.training, people.calibration, people.reported["other libraries"]]
    assert sum(map(len, groups)) == len({text for group in groups for text in group})
    assert not set(people.openings) & set(people.training_openings)


def test_the_least_suspect_version_is_sent() -> None:
    machine = {"plain": ["aaa", "a"], "paraphrase": ["aa", "aa"], "hot": ["a", "aaa"]}
    assert telling.least_suspect(lambda texts: [float(len(t)) for t in texts], machine) == [
        "a",
        "a",
    ]


@pytest.mark.parametrize("n", [30])
def test_a_detection_run_holds_every_figure(n: int) -> None:
    spec = Spec.create("text-provenance-detection", params={"n": n, "tokens": 24})
    result = telling.measure_on(tiny(), spec, lambda p: None, provenance.Stopwatch())
    names = {(m.name, m.arm) for m in result.metrics}
    assert {(m.name, arm.name) for m in telling.MEASURES for arm in telling.ARMS} <= names
    assert len(result.curves[0]["series"]) == 9
