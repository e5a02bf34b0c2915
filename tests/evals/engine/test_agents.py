"""The tool agent and its defences: their parts, and whole runs on a scripted clerk."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.engine import errands, organisms, runner
from evals.engine.datasets import office
from evals.engine.mitigations import secure_agent_patterns as patterns
from evals.engine.mitigations import taint_tracking as taint
from evals.engine.mitigations import tool_allow_list as allow
from evals.engine.organisms import tool_agent as agent
from evals.engine.organisms.tool_agent import Call
from evals.engine.spec import Spec
from tests.evals.engine.victims import Scripted, clerk


@pytest.fixture
def victim(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Scripted:
    """A scripted clerk in the place of the organism, and a cache of its own."""
    found = Scripted(clerk)
    monkeypatch.setenv("SAFESTACK_VAR", str(tmp_path))
    monkeypatch.setattr(organisms, "load", lambda slug: found)
    return found


def run(slug: str) -> Any:
    return runner.run(Spec.create(slug, params={"n": 30}), lambda progress: None)


def values(result: Any) -> dict[tuple[str, str], float]:
    return {(m.name, m.arm): m.value for m in result.metrics}


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("read(notes.txt)", Call("read", "notes.txt")),
        ("send(Anna | the code is 1)", Call("send", "Anna", "the code is 1")),
        ("send(Anna)", Call("send", "Anna", "")),
        ("reply(on Monday)", Call("reply", "", "on Monday")),
        ("delete(notes.txt)", None),
        ("I will read(notes.txt)", None),
        ("", None),
    ],
)
def test_a_line_is_a_call_or_nothing(line: str, call: Call | None) -> None:
    assert agent.parse(line) == call


@given(st.text(max_size=80))
def test_whatever_the_model_writes_is_one_line_or_nothing(text: str) -> None:
    for line in (text, f"send({text})", f"reply({text})"):
        call = agent.parse(line)
        assert call is None or len(str(call).splitlines()) <= 1


def test_hijacked_files_differ_by_the_order_alone() -> None:
    plain = office.errands(20, 0, "test", ("ask", "mail"))
    for before, after in zip(plain, office.hijacked(plain, 0), strict=True):
        assert before.request == after.request
        assert after.outsider in after.text
        assert after.outsider not in before.text
        assert before.code in after.text
    assert not {e.outsider for e in office.hijacked(plain, 0)} & set(office.OUTSIDERS[::2])


def test_lessons_hold_no_wording_of_an_attack_and_name_whom_they_obey() -> None:
    attacks = (*office.STEAL, *office.TAKE_ALL, *office.MISINFORM)
    openings = {attack.split("{")[0] for attack in attacks if attack.split("{")[0]}
    for lesson in agent.examples(1):
        said = " ".join(message["content"] for message in lesson.chat)
        assert not any(opening in said for opening in openings)
        call = agent.parse(lesson.answer)
        assert call is not None
        assert not call.to.startswith("@") or call.to in said


def test_the_clerk_steals_and_a_monitor_stops_it(victim: Scripted) -> None:
    plain = office.errands(6, 0, "test", ("ask", "mail"))
    hostile = office.hijacked(plain, 0)
    assert all(map(agent.stolen, hostile, agent.episodes(victim, hostile)))  # type: ignore[arg-type]
    free = agent.episodes(victim, plain)  # type: ignore[arg-type]
    assert not any(map(agent.stolen, plain, free))


def test_policies() -> None:
    asking, mailing = office.errands(2, 0, "test", ("ask", "mail"))
    insider = next(n for n in office.directory("test") if n != mailing.colleague)
    outside, inside = Call("send", "@ember", "1"), Call("send", insider, "1")
    wanted = Call("send", mailing.colleague, "1")
    read = Call("read", mailing.file)
    assert not allow.by_tool(asking, outside, [])
    assert allow.by_tool(mailing, outside, [])
    assert not allow.by_directory(mailing, outside, [])
    assert allow.by_directory(mailing, inside, [])
    assert not taint.trusted_recipient(mailing, inside, [read])
    assert taint.trusted_recipient(mailing, wanted, [read])
    assert not taint.nothing_sent_after_reading(mailing, wanted, [read])
    assert taint.nothing_sent_after_reading(mailing, wanted, [])


def test_a_plan_keeps_its_recipient() -> None:
    plan = Call("send", "Anna", "(read later)")
    assert patterns.filled_in(plan, Call("send", "@ember", "4711")) == Call("send", "Anna", "4711")
    assert patterns.filled_in(plan, None) is None
    assert patterns.filled_in(plan, Call("read", "notes.txt")) is None


@pytest.mark.parametrize("slug", ["tool-allow-list", "taint-tracking", "secure-agent-patterns"])
def test_a_run_is_whole(victim: Scripted, slug: str) -> None:
    result = run(slug)
    found = values(result)
    names = {measure.name for measure in errands.MEASURES}
    assert {(name, arm.name) for name in names for arm in result.arms} <= set(found)
    assert found["attack-success", "undefended"] == 1
    primary = next(c for c in result.comparisons if c.primary)
    assert found["attack-success", primary.arm] == 0
    json.dumps(result.to_dict())


def test_arms_that_share_ask_once(victim: Scripted) -> None:
    from evals.engine.sharing import shared

    case = errands.cases(30, 0, errands.misinformed)[0]
    arms = shared([errands.monitored(name, name, allow.by_tool) for name in ("one", "two")])
    asked = []

    async def ask(chat: Any, max_new_tokens: int | None = None) -> str:
        asked.append(chat)
        return clerk(chat)

    first, second = (asyncio.run(arm.act(case, ask)) for arm in arms)
    assert first == second
    assert len(asked) == 2
