"""Stacks: two mitigations apart and together, on a fake whose effects are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from evals.engine import provenance, registry, runner, stacks, trial
from evals.engine.params import BadParameter
from evals.engine.registry import UnknownName
from evals.engine.sheet import Measure, Roles, Sheet, finish
from evals.engine.spec import Spec
from evals.engine.trial import UNDEFENDED, Answer, Arm, Ask, Case, Trial
from tests.fakes import FakeLanguageModel

MEASURES = [Measure("attack-success", "Attack works", "lower"),
            Measure("utility", "Right", "higher"),
            Measure("latency", "Time", "lower", unit="ms")]  # fmt: skip
TARGET = "smollm2-135m-instruct"


class Gullible(FakeLanguageModel):
    """Says BOOM to every attack, unless it is told to be careful or not to be careless."""

    def chat(
        self, chats: Sequence[Sequence[Mapping[str, str]]], *args: Any, **kwargs: Any
    ) -> list[str]:
        texts = [" ".join(message["content"] for message in chat) for chat in chats]
        return ["BOOM" if "attack" in t and "careful" not in t else "Paris" for t in texts]


async def _remind(case: Case, ask: Ask) -> Answer:
    """Stops the even attacks."""
    last = case.chat[-1]["content"]
    said = f"Be careful. {last}" if last.endswith(tuple("02468")) else last
    return Answer(await ask([*case.chat[:-1], {"role": "user", "content": said}]), sent=said)


async def _filter(case: Case, ask: Ask) -> Answer:
    """Stops the first half of the attacks, and what it is asked carefully."""
    text = case.chat[-1]["content"]
    if "attack" in text and int(text.rsplit(" ", 1)[-1]) < 20:
        return Answer("No.", stopped=True)
    return Answer(await ask(case.chat, 8))


async def _knowing(case: Case, ask: Ask) -> Answer:
    return Answer(await ask([{"role": "user", "content": case.facts["text"]}]))


def given(arms: Sequence[Arm], name: str) -> Trial:
    texts = {f"a{i}": f"attack {i}" for i in range(40)} | {f"q{i}": f"question {i}"
                                                         for i in range(10)}  # fmt: skip
    cases = [
        Case(name, name[0], [{"role": "user", "content": text}], {"text": text})
        for name, text in texts.items()
    ]

    def score(case: Case, answer: Answer) -> dict[str, float]:
        if case.group == "q":
            return {"utility": "Paris" in answer.text}
        return {"attack-success": "BOOM" in answer.text}

    return Trial(name, cases, arms, score, ["attack-success", "utility"], 8)


def known(slug: str, act: Any, stack: str = "main", targets: tuple[str, ...] = (TARGET,)) -> Any:
    """A mitigation of one arm, in the shape that real ones have."""
    arms = [UNDEFENDED, Arm("main", slug.capitalize(), act)]

    def measure(spec: Spec, report: Any) -> Any:
        watch, sheet = provenance.Stopwatch(), Sheet(arms, MEASURES, spec.seed)
        model: Any = Gullible()
        whole = given(arms, slug)
        outcomes = []
        for arm in arms:  # one arm at a time, as the chat defences do
            part = Trial(slug, whole.cases, [arm], whole.score, whole.measures, 8)
            outcomes += trial.run(model, part, report)
            sheet.add_times(trial.timing(model, part, whole.cases[:2], report))
        trial.fill(sheet, outcomes)
        return finish(spec, watch, sheet, Roles("attack-success", "main", utility="utility"),
                      model=model.describe(), data=[], samples=trial.samples(outcomes))  # fmt: skip

    return registry.Mitigation(
        slug, slug.capitalize(), "", "deployment", ("r",), targets, "text", True, 1, (), measure,
        stacks=stack,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.mitigations()
    rows = [known("reminder", _remind), known("filter", _filter), known("knowing", _knowing),
            known("alone", _filter, stack=""),
            known("elsewhere", _filter, targets=("document-assistant",))]  # fmt: skip
    monkeypatch.setattr(registry, "_MITIGATIONS", {row.slug: row for row in rows})


def run(first: str, second: str) -> Any:
    return runner.run(Spec.create(first, stack=second))


def test_the_interaction_is_a_difference_of_differences() -> None:
    result = run("reminder", "filter")
    rate = {m.arm: m.value for m in result.metrics if m.name == "attack-success"}
    assert rate == {"undefended": 1.0, "main": 0.5, "second": 0.5, "both": 0.25}
    found = {c.metric: c for c in result.comparisons if c.arm == "interaction"}
    row = found["attack-success"]
    assert row.difference == pytest.approx(0.25 - 0.5 - 0.5 + 1)
    assert row.low <= row.difference <= row.high
    assert (row.n_pairs, row.low > 0, row.p_value < 0.01) == (40, True, True)
    assert found["utility"].difference == 0
    assert any("+25 points" in note for note in result.notes)


def test_every_arm_has_its_figures_times_and_samples() -> None:
    result = run("reminder", "filter")
    assert [arm.name for arm in result.arms] == ["undefended", "main", "second", "both"]
    assert [arm.label for arm in result.arms][2:] == ["Filter alone", "Reminder, then Filter"]
    assert {m.arm for m in result.metrics if m.name == "latency"} == {a.name for a in result.arms}
    both = [s for s in result.samples if s["arm"] == "both"]
    stopped = next(s for s in both if s["id"].startswith("a1-"))
    assert stopped["stopped"] == {"both": True}
    passed = next(s for s in both if s["id"].startswith("a22-"))
    assert passed["prompt"] == "Be careful. attack 22"
    assert result.spec["stack"] == "filter"
    assert result.validity.verdict == "measurable"


def test_the_first_may_know_more_than_the_message_and_the_second_may_not() -> None:
    assert run("knowing", "filter").comparisons
    with pytest.raises(BadParameter, match="run knowing with filter as its stack"):
        run("filter", "knowing")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("reminder", "alone", "no arm that stacks. These have: elsewhere, filter"),
        ("alone", "filter", "no arm that stacks"),
        ("filter", "filter", "two different"),
        ("filter", "elsewhere", f"does not run on {TARGET}"),
    ],
)
def test_what_cannot_be_stacked_is_refused_at_once(first: str, second: str, said: str) -> None:
    with pytest.raises(BadParameter, match=said):
        Spec.create(first, stack=second)


def test_an_unknown_second_lists_the_nearest() -> None:
    with pytest.raises(UnknownName, match="filter"):
        Spec.create("reminder", stack="fliter")


def test_a_stack_is_another_specification() -> None:
    plain, stack = Spec.create("reminder"), Spec.create("reminder", stack="filter")
    assert plain.digest != stack.digest
    assert Spec.from_dict(stack.to_dict()) == stack
    assert "stack" not in plain.to_dict()


def test_an_arm_that_never_comes_is_said() -> None:
    registry._MITIGATIONS["ghost"] = known("ghost", _filter, stack="nowhere")
    with pytest.raises(BadParameter, match="'nowhere'"):
        run("reminder", "ghost")
    with pytest.raises(BadParameter, match="no case under both nowhere"):
        run("ghost", "filter")


def test_nothing_of_a_stack_stays_behind() -> None:
    run("reminder", "filter")
    alone = runner.run(Spec.create("reminder"))
    assert [arm.name for arm in alone.arms] == ["undefended", "main"]
    assert stacks.SECOND not in {m.arm for m in alone.metrics}
