"""Reports of other tools: what is read, what is refused, row by row."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.imports import NotReadable, garak, mapping, promptfoo, read
from evals.imports.parts import MOST_PROBLEMS, rate

# garak's own Attempt writes the lines; its package is installed without what it imports,
# so its entrance is left out.
WITH_GARAK = """
import importlib.metadata, json, pathlib, sys, types
garak = types.ModuleType("garak")
place = importlib.metadata.distribution("garak").locate_file("garak")
garak.__path__ = [str(place)]
sys.modules["garak"] = garak
from garak.attempt import ATTEMPT_COMPLETE, Attempt, Conversation, Message, Turn
def line(**row): print(json.dumps(row))
line(entry_type="start_run setup", **{"plugins.target_type": "test", "plugins.target_name": "Blank",
     "run.eval_threshold": 0.5, "_config.version": importlib.metadata.version("garak")})
line(entry_type="init", garak_version=importlib.metadata.version("garak"),
     start_time="2026-01-02T03:04:05", run="one")
for i in range(10):
    prompt = Conversation([Turn("user", Message(f"attack {i}"))])
    attempt = Attempt(prompt=prompt, probe_classname="dan.Dan_11_0", status=ATTEMPT_COMPLETE)
    attempt.outputs = [Message("one"), Message("two")]
    attempt.detector_results = {"dan.DAN": [1.0 if i < 4 else 0.0, None if i == 9 else 0.2]}
    line(**attempt.as_dict())
line(entry_type="eval", probe="dan.Dan_11_0", detector="dan.DAN", passed=15, fails=4, nones=1,
     total_evaluated=19, total_processed=20)
"""


@pytest.fixture(scope="module")
def report() -> str:
    """A garak report whose attempts garak itself wrote."""
    done = subprocess.run(
        [sys.executable, "-c", WITH_GARAK], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_garak_report_is_counted_by_prompt(report: str) -> None:
    parsed = read(report.encode(), "x.report.jsonl")
    (found,) = parsed.findings
    assert (parsed.tool, parsed.measured_at) == ("garak", "2026-01-02T03:04:05")
    assert parsed.version == "0.17.1"
    assert (found.group, found.judge, found.model) == ("dan.Dan_11_0", "dan.DAN", "test Blank")
    assert found.n == 19
    assert found.value == pytest.approx(4 / 19)
    assert found.method == "bootstrap by prompt"
    assert found.low < found.value < found.high
    assert found.better == "lower"
    assert not parsed.problems


def test_garak_lines_that_cannot_be_used_are_named(report: str) -> None:
    bad = [
        "{broken",
        json.dumps({"no": "type"}),
        json.dumps({"entry_type": "eval", "probe": "a", "detector": "c", "passed": 5, "total": 3}),
        json.dumps({"entry_type": "eval", "probe": "", "detector": "c", "passed": 1, "total": 3}),
        json.dumps({"entry_type": "eval", "probe": "a.B", "detector": "c", "passed": True}),
        json.dumps({"entry_type": "attempt", "status": 2, "probe_classname": "a.B", "uuid": "1",
                    "detector_results": {"c": [7]}}),
        json.dumps({"entry_type": "attempt", "status": 2, "probe_classname": "a.B", "uuid": "1"}),
    ]  # fmt: skip
    parsed = garak.read(report + "\n".join(bad))
    begin = len(report.splitlines())
    assert [p.where for p in parsed.problems] == [f"line {begin + i}" for i in range(1, 8)]
    assert "5 passed of 3" in parsed.problems[2].reason
    assert len(parsed.findings) == 1


def test_a_garak_summary_that_says_otherwise_is_said(report: str) -> None:
    changed = report.replace('"passed": 15', '"passed": 18')
    parsed = garak.read(changed)
    assert parsed.findings[0].value == pytest.approx(4 / 19)
    assert "its attempts 4 of 19" in parsed.problems[0].reason


def test_a_garak_report_of_sums_alone_gets_its_own_interval() -> None:
    row = {"entry_type": "eval", "probe": "probes.dan.X", "detector": "detector.dan.DAN",
           "passed": 30, "total": 40}  # fmt: skip
    (found,) = garak.read(json.dumps(row)).findings
    assert (found.value, found.n, found.judge) == (0.25, 40, "dan.DAN")
    assert found.low == pytest.approx(0.1419, abs=1e-3)


def pf_row(place: int, success: Any, **more: Any) -> dict[str, Any]:
    """A row as promptfoo's documentation describes it."""
    return {
        "promptIdx": 0,
        "testIdx": place,
        "success": success,
        "score": float(bool(success)),
        "failureReason": 0 if success else 1,
        "provider": {"id": "openai:chat:m", "label": "m"},
        "testCase": {"metadata": {"pluginId": "pii:direct", "strategyId": "jailbreak"}},
        "gradingResult": {"pass": bool(success), "score": 1, "reason": ""},
        **more,
    }


def pf_file(rows: list[Any]) -> dict[str, Any]:
    return {
        "evalId": "eval-1",
        "results": {"version": 3, "timestamp": "2026-02-03T04:05:06Z", "results": rows},
        "metadata": {"promptfooVersion": "0.121.0"},
    }


def test_promptfoo_rows_become_one_finding_a_plugin_and_model() -> None:
    rows = [pf_row(i, success=i >= 6) for i in range(20)]
    rows += [pf_row(i, True, testCase={"description": "greets"}) for i in range(3)]
    parsed = read(json.dumps(pf_file(rows)).encode(), "results.json")
    first, second = parsed.findings
    assert (first.group, first.judge, first.model) == ("pii:direct", "jailbreak", "m")
    assert (first.value, first.n, first.method) == (0.3, 20, "Wilson")
    assert (second.group, second.value) == ("greets", 0.0)
    assert (parsed.version, parsed.measured_at[:10]) == ("0.121.0", "2026-02-03")


def test_promptfoo_rows_that_were_not_judged_are_left_out_one_by_one() -> None:
    rows = [
        pf_row(0, False),
        pf_row(1, False, failureReason=2, error="429 Too Many Requests", gradingResult=None),
        pf_row(2, "yes"),
        "row",
    ]
    parsed = promptfoo.read(pf_file(rows))
    assert [p.where for p in parsed.problems] == ["result 1", "result 2", "result 3"]
    assert "429" in parsed.problems[0].reason
    assert parsed.findings[0].n == 1
    assert parsed.findings[0].said == {"tried": 3, "judged": 1}


def test_repeated_promptfoo_tests_are_one_cluster() -> None:
    rows = [pf_row(i // 2, success=i >= 6) for i in range(20)]
    assert promptfoo.read(pf_file(rows)).findings[0].method == "bootstrap by prompt"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that Inspect itself wrote: thirty samples, two epochs, one score with two values."""
    folder = tmp_path_factory.mktemp("logs")
    code = f"""
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.scorer import Score, mean, scorer
from inspect_ai.solver import solver
@solver
def silent():  # asks no model: the mock one would fetch a tokeniser
    async def solve(state, generate):
        return state
    return solve
@scorer(metrics={{"*": [mean()]}})
def both():
    async def score(state, target):
        place = int(state.sample_id)
        return Score(value={{"attack-success": float(place < 12),
                             "utility": float("nan") if place % 2 else 1.0}})
    return score
task = Task(dataset=[Sample(id=str(i), input=f"say {{i}}") for i in range(30)],
            solver=silent(), scorer=both(), epochs=2, name="spotlighting-datamarking")
eval(task, model="mockllm/model", display="none", log_dir={str(folder)!r}, log_level="error")
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.eval"))


def test_an_inspect_log_gives_a_finding_for_each_value(log: Path) -> None:
    parsed = read(log.read_bytes(), log.name)
    attack, utility = parsed.findings
    assert (parsed.tool, attack.group) == ("inspect", "spotlighting-datamarking")
    assert (attack.judge, attack.value, attack.n) == ("attack-success", 0.4, 60)
    assert (attack.better, attack.method) == ("lower", "bootstrap by prompt")
    assert (utility.judge, utility.value, utility.n) == ("utility", 1.0, 30)
    assert attack.model == "mockllm/model"
    assert not parsed.problems


def test_a_broken_inspect_log_says_so(log: Path) -> None:
    with pytest.raises(NotReadable, match="Inspect cannot read"):
        read(log.read_bytes()[:4000], "x.eval")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b"\xff\xfe\x00", "neither UTF-8"),
        (b"hello", "neither a garak report"),
        (b"[1, 2]", "no object"),
        (b'{"a": 1}', "no results.results"),
        (b'{"results": {"results": {}}}', "no results.results"),
        (b'{"entry_type": "init"}\n', "neither attempts nor evaluations"),
        (b"[" * 100_000, "neither a garak report"),
    ],
)
def test_what_is_no_report_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(NotReadable, match=said):
        read(content, "x")


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evals.imports.reading.MOST_BYTES", 10)
    with pytest.raises(NotReadable, match="larger than"):
        read(b"x" * 11, "x")


def test_problems_are_counted_beyond_those_that_are_kept() -> None:
    parsed = garak.read("\n".join(["{"] * (MOST_PROBLEMS + 5)))
    assert (len(parsed.problems), parsed.left_out) == (MOST_PROBLEMS, MOST_PROBLEMS + 5)


@given(st.binary(max_size=300))
@settings(max_examples=80, deadline=None)
def test_whatever_bytes_come_it_reads_or_refuses(content: bytes) -> None:
    if content.startswith(b"PK\x03\x04"):
        return  # goes through the engine, tried above
    with contextlib.suppress(NotReadable):
        assert read(content, "x").tool


rows = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
FIELDS = ["probe", "detector", "passed", "total", "status", "probe_classname", "detector_results"]


@given(st.dictionaries(st.sampled_from(FIELDS), rows), st.sampled_from(["eval", "attempt"]))
@settings(max_examples=150, deadline=None)
def test_a_hostile_garak_line_is_a_problem_or_a_rate(row: dict[str, Any], kind: str) -> None:
    parsed = garak.read(json.dumps({**row, "entry_type": kind}))
    assert all(0 <= f.low <= f.value <= f.high <= 1 for f in parsed.findings)


@given(st.lists(rows, max_size=4))
@settings(max_examples=150, deadline=None)
def test_hostile_promptfoo_rows_are_problems(given_rows: list[Any]) -> None:
    parsed = promptfoo.read(pf_file([*given_rows, pf_row(99, False)]))
    assert parsed.findings[-1].n >= 1


def test_one_cluster_gives_an_interval_all_the_same() -> None:
    interval, _ = rate([1.0, 0.0, 1.0], ["a", "a", "a"])
    assert interval.low <= interval.value <= interval.high


def test_every_suggestion_is_a_risk_that_there_is() -> None:
    fixtures = Path(__file__).resolve().parents[2] / "fixtures/taxonomy/risks.jsonl"
    known = {json.loads(line)["slug"] for line in fixtures.read_text().splitlines()}
    assert {*mapping.GARAK.values(), *mapping.PROMPTFOO.values()} <= known


def test_our_own_tasks_name_their_mitigation() -> None:
    assert mapping.suggest("inspect", "spotlighting-datamarking") == (
        "indirect-prompt-injection",
        "spotlighting",
    )
    assert mapping.suggest("inspect", "spotlighting-undefended")[1] == ""
    assert mapping.suggest("inspect", "gsm8k") == ("", "")
    assert mapping.suggest("promptfoo", "pii:direct")[0] == "user-data-leakage"
