"""Inference-time experiments: the same cases put to a target under several arms.

An arm is an async function of a case and of ``ask``, which puts messages to the target; what
the function does around ``ask`` is the mitigation. It knows nothing of how the target is run,
so it works on a bundled model, an endpoint, or anything that Inspect can call.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect as source
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from . import endpoints, inspecting, organisms, packaged
from .inspecting import Told
from .language_model import Chat, Responder
from .result import Progress
from .sheet import Sheet
from .spec import Spec

TIMED = 12
FORMAT = 2  # of kept baselines; a new one where they hold something else, or come about otherwise
Report = Callable[[Progress], None]


class Ask(Protocol):
    """Puts messages to the target and waits for its answer."""

    def __call__(self, chat: Chat, max_new_tokens: int | None = None) -> Awaitable[str]:
        """The target's next message."""


@dataclass(frozen=True)
class Case:
    """One thing put to the target. ``facts`` is what scorers and mitigations need to know."""

    id: str
    group: str
    chat: Chat
    facts: Mapping[str, Any] = field(default_factory=dict)
    cluster: str = ""


@dataclass(frozen=True)
class Answer:
    """What came back; ``stopped`` where a mitigation refused by itself; ``sent`` what it sent."""

    text: str
    stopped: bool = False
    sent: str = ""


@dataclass(frozen=True)
class Arm:
    """One side of the comparison; ``act`` answers a case."""

    name: str
    label: str
    act: Callable[[Case, Ask], Awaitable[Answer]]


async def undefended(case: Case, ask: Ask) -> Answer:
    """The case as it is: the baseline of every trial."""
    return Answer(await ask(case.chat))


UNDEFENDED = Arm("undefended", "No mitigation", undefended)
Score = Callable[[Case, Answer], dict[str, float]]
"""{measure: value} of the measures that apply to this case; True and False count as 1 and 0."""


@dataclass(frozen=True)
class Trial:
    """Cases, arms (the undefended one first), and how an answer is scored by which measures."""

    name: str
    cases: Sequence[Case]
    arms: Sequence[Arm]
    score: Score
    measures: Sequence[str]
    max_new_tokens: int = 48


@dataclass(frozen=True)
class Outcome:
    """One case under one arm."""

    case: Case
    arm: str
    answer: Answer
    scores: Mapping[str, float]
    label: str = ""


class Watch(Protocol):
    """Looks on while trials run, and may give them further arms."""

    def arms(self, trial: Trial) -> Sequence[Arm]:
        """The arms to run instead of the trial's own."""

    def saw(self, outcomes: Sequence[Outcome]) -> None:
        """What a trial gave."""


_remembered: WeakKeyDictionary[Responder, Told] = WeakKeyDictionary()
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Let ``watch`` look on at the trials that run meanwhile."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def _arms(trial: Trial) -> Sequence[Arm]:
    watch = _watch.get()
    return watch.arms(trial) if watch else trial.arms


def target(spec: Spec) -> Responder:
    """What a specification attacks: a bundled model, or the endpoint that it names."""
    if spec.endpoint:
        return endpoints.Endpoint(spec.target, **spec.endpoint)
    return organisms.load(spec.target)


def run(model: Responder, trial: Trial, report: Report) -> list[Outcome]:
    """Every case under every arm, arm by arm, each arm an Inspect task.

    The undefended arm's answers are kept by digest, so that mitigations which share a target
    and cases share them too; an endpoint's are not, since what stands behind it may change.
    Arms that put the same conversation to a bundled model share its answer.
    """
    arms, told = _arms(trial), _remembered.setdefault(model, {}) if model.checksum else {}
    total, found = len(trial.cases) * len(arms), []
    for place, arm in enumerate(arms):
        before = place * len(trial.cases)
        tell = _teller(report, before, total, f"answering: {arm.label.lower()}")
        for case, answer in zip(trial.cases, _answers(model, trial, arm, tell, told), strict=True):
            scores = {name: float(value) for name, value in trial.score(case, answer).items()}
            found.append(Outcome(case, arm.name, answer, scores, arm.label))
    if watch := _watch.get():
        watch.saw(found)
    return found


def forget() -> None:
    """Begin anew: what models answered in an earlier run is asked again."""
    _remembered.clear()


def _teller(report: Report, before: int, total: int, step: str) -> Callable[[int], None]:
    return lambda done: report(Progress(min(before + done, total), total, step))


def _answers(
    model: Responder, trial: Trial, arm: Arm, tell: Callable[[int], None], told: Told
) -> list[Answer]:
    if arm.name != UNDEFENDED.name or not model.checksum:
        return inspecting.run_arm(model, trial, arm, tell, told)
    kept = packaged.cache_dir() / "baselines" / f"{_digest(model, trial, arm)}.json"
    if not kept.exists():
        _keep(model, trial, arm, tell, kept)
    found = json.loads(kept.read_text(encoding="utf-8"))
    told |= found["told"]
    return [Answer(**row) for row in found["answers"]]


def _keep(
    model: Responder, trial: Trial, arm: Arm, tell: Callable[[int], None], kept: Path
) -> None:
    """Ask without what is known already, so that the file never depends on who made it."""
    told: Told = {}
    found = inspecting.run_arm(model, trial, arm, tell, told)
    kept.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"text": a.text, "stopped": a.stopped, "sent": a.sent} for a in found]
    temporary = kept.with_suffix(".part")
    temporary.write_text(json.dumps({"answers": rows, "told": told}), encoding="utf-8")
    temporary.replace(kept)


def _digest(model: Responder, trial: Trial, arm: Arm) -> str:
    """What decides a baseline's answers: the model, the cases, the arm's code, the length."""
    cases = [[case.id, list(map(dict, case.chat)), dict(case.facts)] for case in trial.cases]
    code = source.getsource(arm.act)
    said = [FORMAT, dict(model.describe()), cases, code, trial.max_new_tokens]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def timing(
    model: Responder, trial: Trial, cases: Sequence[Case], report: Report
) -> dict[str, list[float]]:
    """Milliseconds for one case at a time, for each arm, after one to warm up."""
    report(Progress(0, 0, "timing"))

    async def ask(chat: Chat, max_new_tokens: int | None = None) -> str:
        return model.chat([chat], max_new_tokens or trial.max_new_tokens)[0]

    async def timed(arm: Arm, case: Case) -> float:
        start = time.perf_counter()
        await arm.act(case, ask)
        return 1000 * (time.perf_counter() - start)

    arms = _arms(trial)
    if arms and cases:
        asyncio.run(timed(arms[0], cases[0]))
    return {arm.name: [asyncio.run(timed(arm, case)) for case in cases[:TIMED]] for arm in arms}


def fill(sheet: Sheet, outcomes: Sequence[Outcome]) -> None:
    """Enter every outcome's scores; pairs are made by case, clusters by the case's cluster."""
    for outcome in outcomes:
        sheet.meet(outcome.arm, outcome.label)
        case = outcome.case
        for measure, value in outcome.scores.items():
            sheet.add(measure, outcome.arm, case.id, value, case.cluster or case.id)


def samples(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row a case and arm: what was put, what was sent, what came back, its scores."""
    return [
        {
            "id": f"{outcome.case.id}-{outcome.arm}",
            "group": outcome.case.group,
            "arm": outcome.arm,
            "prompt": outcome.answer.sent or _told(outcome.case.chat),
            "output": outcome.answer.text,
            "stopped": {outcome.arm: True} if outcome.answer.stopped else {},
            "scores": dict(outcome.scores),
        }
        for outcome in outcomes
    ]


def _told(chat: Chat) -> str:
    if len(chat) == 1:
        return str(chat[0]["content"])
    return "\n\n".join(f"[{message['role']}] {message['content']}" for message in chat)
