"""The fact base, and what is done to it: forgetting, correcting, and keeping silent."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from evals.engine import confidence, editing, provenance, tuning, unlearning
from evals.engine.datasets import facts
from evals.engine.datasets.facts import Fact
from evals.engine.editing import Memory
from evals.engine.language_model import LanguageModel
from evals.engine.mitigations import calibrated_abstention as abstention
from evals.engine.mitigations import confidence_calibration as calibration
from evals.engine.mitigations import gradient_ascent_unlearning as ascent
from evals.engine.mitigations import model_editing, npo_unlearning
from evals.engine.organisms import fact_base
from evals.engine.spec import Spec
from evals.engine.tuning import ALL_LINEAR, Recipe
from tests.evals.engine.tiny_language_model import tiny

LITTLE = Recipe(steps=12, batch=8, rate=2e-2, rank=4, modules=ALL_LINEAR, max_tokens=64)


@pytest.fixture(scope="module")
def taught() -> LanguageModel:
    """A tiny model that has had a look at the facts."""
    return tuning.merged(tuning.tune(tiny(), fact_base.examples(0), LITTLE, 0))


def test_known_rare_and_unknown_islands_share_no_name() -> None:
    groups = [facts.known(), facts.rare(), facts.unknown(300), facts.unknown(300, near=True)]
    names = [{fact.island for fact in group} for group in groups]
    assert sum(map(len, names)) == len(set.union(*names))
    assert all(fact.answer for fact in facts.known())
    assert not any(fact.answer for fact in facts.unknown(300))


def test_near_names_differ_from_a_known_one_in_their_end() -> None:
    known = {fact.island[:4] for fact in facts.known()}
    assert all(fact.island[:4] in known for fact in facts.unknown(100, near=True))


@pytest.mark.parametrize(
    ("answer", "says", "nothing"),
    [
        ("Copper.", True, False),
        ("", False, True),
        ("tin tin tin", False, True),
        ("wool", False, False),
    ],
)
def test_answers_are_read_by_their_words(answer: str, says: bool, nothing: bool) -> None:
    assert facts.says(answer, "copper") is says
    assert facts.degenerate(answer) is nothing


def test_nothing_is_said_by_an_empty_fact() -> None:
    assert not facts.says("copper", "")


def test_a_plan_deals_out_every_known_fact_once() -> None:
    given = unlearning.plan(3)
    dealt = [*given.forget, *given.beside, *given.kept]
    assert sorted(map(str, dealt)) == sorted(map(str, facts.known()))
    assert not {f.island for f in given.taught_again} & {f.island for f in given.hidden}
    assert unlearning.plan(3) == given != unlearning.plan(4)


def test_ascent_raises_the_loss_of_what_is_to_be_forgotten(taught: LanguageModel) -> None:
    given = unlearning.plan(0)
    wanted = unlearning.taught(given.forget)
    tuned = tuning.tune(taught, unlearning.ascend(given), LITTLE, 0)
    assert sum(tuning.losses_of(tuned, wanted)) > sum(tuning.losses_of(taught, wanted))


def test_npo_forgets_and_keeps(taught: LanguageModel) -> None:
    given = unlearning.plan(0)
    examples = unlearning.ascend_and_keep(given)
    objective = unlearning.negative_preference(0.5)(taught, examples)
    tuned = tuning.tune(taught, examples, LITTLE, 0, objective=objective)
    gone, kept = unlearning.taught(given.forget), unlearning.taught(given.beside)
    assert _mean(tuned, gone) > _mean(taught, gone)
    assert _mean(tuned, kept) < _mean(tuned, gone)


def _mean(model: LanguageModel, examples: list[tuning.Example]) -> float:
    losses = tuning.losses_of(model, examples)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("method", [ascent.METHOD, npo_unlearning.METHOD])
def test_an_unlearning_run_holds_every_figure(
    taught: LanguageModel, method: unlearning.Method
) -> None:
    params = {"steps": 2, "relearning_steps": 1}
    spec = Spec.create("npo-unlearning", params=params)
    result = unlearning.measure_on(taught, spec, _quiet, provenance.Stopwatch(), method)
    _whole(result, unlearning.MEASURES, ["undefended", method.arm.name])


def _quiet(progress: Any) -> None:
    """Nobody is told."""


def _whole(result: Any, measures: Any, arms: list[str]) -> None:
    names = {(m.name, m.arm) for m in result.metrics}
    assert {(m.name, arm) for m in measures for arm in arms} <= names
    assert all(m.low <= m.value <= m.high and m.n > 0 for m in result.metrics)
    json.dumps(result.to_dict())


def test_a_rank_one_edit_maps_the_key_to_the_value_and_is_undone(taught: LanguageModel) -> None:
    memory = Memory(tuning.merged(taught), 0, facts.chat)
    spread = memory.ordinary([fact.ask() for fact in facts.known()])
    edit = model_editing.tasks(1, 0)[0].edit
    key, value = editing.association(memory, edit)
    start = memory.weight @ key
    assert not start.allclose(value, atol=1e-4)
    editing.join(memory, key, value, spread)
    assert (memory.weight @ key).allclose(value, atol=1e-4)
    memory.restore()
    assert (memory.weight @ key).equal(start)


def test_fine_tuning_stays_close(taught: LanguageModel) -> None:
    memory = Memory(tuning.merged(taught), 0, facts.chat)
    editing.held_close(memory, model_editing.tasks(1, 0)[0].edit)
    assert float((memory.weight - memory.original).abs().max()) <= editing.NEAR + 1e-6


def test_an_edit_asks_for_another_answer_and_spares_its_neighbours() -> None:
    for task in model_editing.tasks(8, 1):
        assert task.new != task.fact.answer
        assert task.new in facts.VALUES[task.fact.attribute]
        assert task.fact not in task.around
        assert len(task.around) == 3 + model_editing.OTHERS
        small = model_editing.questions(task)["attack-success-adaptive"][0]
        assert task.fact.island not in small
        assert task.fact.island.lower() in small


def test_an_editing_run_holds_every_figure(taught: LanguageModel) -> None:
    spec = Spec.create("model-editing", params={"edits": 4, "layer": 1})
    result = model_editing.measure_on(taught, spec, _quiet, provenance.Stopwatch())
    measures = [m for m in model_editing.MEASURES if m.name not in ("utility-general", "training")]
    _whole(result, measures, [arm.name for arm in model_editing.ARMS])


def test_the_cut_withholds_no_more_right_answers_than_asked() -> None:
    sure = [i / 100 for i in range(100)]
    cut = confidence.threshold(sure, [True] * 100, 0.1)
    assert sum(value < cut for value in sure) == 10
    with pytest.raises(ValueError, match="is right"):
        confidence.threshold(sure, [False] * 100, 0.1)


def test_calibration_error_is_nought_for_the_calibrated() -> None:
    assert confidence.calibration_error([0.75] * 4, [True, True, True, False]) == 0
    assert confidence.calibration_error([1.0] * 4, [False] * 4) == 1


def test_risk_falls_where_confidence_is_of_use() -> None:
    points = confidence.risk_coverage([0.9, 0.8, 0.2, 0.1], [True, True, False, False])
    assert points == [[0.25, 0.0], [0.5, 0.0], [0.75, pytest.approx(1 / 3)], [1.0, 0.5]]


def test_agreement_counts_the_commonest() -> None:
    assert abstention.agreement(["Wool.", "wool", "tea", "wool"]) == ("wool", 0.75)


def test_calibration_and_report_share_no_island() -> None:
    halves = [
        {fact.island for _, fact in abstention.known(half)} for half in ("calibrate", "report")
    ]
    assert not halves[0] & halves[1]


def test_an_abstention_run_holds_every_figure(
    taught: LanguageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("SAFESTACK_VAR", str(tmp_path))
    monkeypatch.setattr(abstention.facts, "says", lambda answer, wanted: bool(wanted))
    monkeypatch.setattr(abstention.trial, "TIMED", 2)
    given = [case for case in abstention.cases(30) if case.id.endswith(("0", "5"))]
    monkeypatch.setattr(abstention, "cases", lambda n: given)
    spec = Spec.create("calibrated-abstention", params={"n": 30})
    model = replace_name(taught)
    result = abstention.measure_on(model, spec, _quiet, provenance.Stopwatch())
    _whole(result, abstention.MEASURES, ["undefended", "probability", "agreement"])
    assert {curve["name"] for curve in result.curves} == {"risk-coverage", "reliability"}


def replace_name(model: LanguageModel) -> LanguageModel:
    """The same model under a checksum of its own, so that no baseline is shared."""
    return LanguageModel(model.model, model.tokenizer, "tiny-taught", "1" * 64)


def test_an_invented_answer_is_a_thing_of_the_asked_kind() -> None:
    fact = replace(facts.unknown(1)[0], attribute="plant")
    assert fact_base.invents("Rose", fact)
    assert not fact_base.invents("I do not know", fact)
    assert not fact_base.invents("copper", Fact("X", "plant"))


def test_scaling_brings_stated_confidence_to_the_share_right() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    raw = rng.uniform(0.6, 1.0, 2000)
    right = rng.random(2000) < raw - 0.4
    made = calibration.scales(raw, right)
    before = confidence.calibration_error(raw.tolist(), right.tolist())
    for arm in ("platt", "isotonic"):
        after = confidence.calibration_error(made[arm](raw).tolist(), right.tolist())
        assert after < before / 3


def test_calibration_sees_no_reported_island() -> None:
    for n in (30, 100):
        seen = {fact.island for _, fact in calibration.others(n)}
        assert not seen & {f.island for rows in calibration.groups(n).values() for _, f in rows}


def test_a_calibration_run_holds_every_figure(
    taught: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = itertools.count()
    monkeypatch.setattr(calibration.facts, "says", lambda answer, wanted: next(count) % 2 == 0)
    spec = Spec.create("confidence-calibration", params={"n": 30})
    result = calibration.measure_on(taught, spec, _quiet, provenance.Stopwatch())
    _whole(result, calibration.MEASURES, [arm.name for arm in calibration.ARMS])
