"""The one door to Inspect: an arm of a trial as an Inspect task, on a bundled model or endpoint.

Inspect (UK AI Security Institute, MIT licence) runs the task and keeps a log that
``inspect view`` opens. On a bundled model, requests that wait at the same moment are answered
as one batch, in an order that their texts decide; an endpoint is asked by Inspect's own client.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from . import endpoints, packaged
from .endpoints import Endpoint, Pace
from .language_model import Chat, LanguageModel, Responder

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

    from .trial import Answer, Arm, Ask, Case, Trial

QUIET = 0.2  # seconds without a new request after which those that wait are answered
PROVIDER = "safestack"
WIDE = 1000  # samples and connections at once: all of them
Told = dict[str, str]
"""What a model answered, by length and conversation: decoding is greedy, so it would again."""


class TaskFailed(RuntimeError):
    """A task that did not end well; the message is Inspect's own."""


class Batches:
    """Collects requests to a bundled model and answers them together, equal ones once."""

    def __init__(self, model: LanguageModel, tell: Callable[[int], None], told: Told) -> None:
        self.model, self.tell, self.told = model, tell, told
        self.done = 0
        self._waiting: list[tuple[Chat, int, asyncio.Future[str]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, chat: Chat, max_new_tokens: int) -> str:
        """The model's next message."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((chat, max_new_tokens, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            seen = -1
            while seen != len(self._waiting):
                seen = len(self._waiting)
                await asyncio.sleep(QUIET)
            batch, self._waiting = self._waiting, []
            for length in sorted({length for _, length, _ in batch}):
                await self._answer([row for row in batch if row[1] == length], length)

    async def _answer(
        self, rows: Sequence[tuple[Chat, int, asyncio.Future[str]]], length: int
    ) -> None:
        before = self.done
        keys = [json.dumps([length, [dict(turn) for turn in chat]]) for chat, _, _ in rows]
        new = {key: chat for key, (chat, _, _) in zip(keys, rows, strict=True)}
        new = {key: chat for key, chat in new.items() if key not in self.told}
        try:
            found = await asyncio.to_thread(self._chat, list(new.values()), length, before)
        except Exception as error:
            for _, _, future in rows:
                future.set_exception(error)
            return
        self.done += len(rows)
        self.tell(self.done)
        self.told |= zip(new, found, strict=True)
        for key, (_, _, future) in zip(keys, rows, strict=True):
            future.set_result(self.told[key])

    def _chat(self, chats: Sequence[Chat], length: int, before: int) -> Sequence[str]:
        if not chats:
            return []
        return self.model.chat(chats, length, report=lambda n: self.tell(before + n))


@cache
def _api() -> Any:
    """Our model interface for Inspect, made at its first use: the import takes seconds."""
    from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi

    @modelapi(name=PROVIDER)
    class Bundled(ModelAPI):
        """A bundled model behind Inspect's interface."""

        batches: Batches

        def max_connections(self) -> int:
            """All requests at once; batches are made of them."""
            return WIDE

        async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> Any:
            """The next message of a conversation, greedily decoded."""
            chat = [{"role": message.role, "content": message.text} for message in input]
            text = await self.batches.ask(chat, config.max_tokens)
            output = ModelOutput.from_content(model=self.model_name, content=text)
            count = self.batches.model.count
            sent, came = sum(count(m["content"]) for m in chat), count(text)
            output.usage = ModelUsage(
                input_tokens=sent, output_tokens=came, total_tokens=sent + came
            )
            return output

    return Bundled


def _model(batches: Batches) -> Any:
    """The bundled model as Inspect knows models."""
    from inspect_ai.model import get_model

    _api()
    found = get_model(f"{PROVIDER}/{batches.model.name.replace(' ', '-')}", memoize=False)
    found.api.batches = batches
    return found


def _endpoint(target: Endpoint) -> Any:
    """An endpoint as Inspect knows models: its client makes failed requests again.

    Connections are not kept, since nobody would close them when the task's loop has ended.
    """
    from inspect_ai.model import GenerateConfig, get_model

    found = get_model(
        f"openai-api/{target.name}/{target.model}",
        base_url=target.base_url,
        api_key=target.key,
        config=GenerateConfig(extra_headers={"Connection": "close"}),
        memoize=False,
        client_timeout=endpoints.TIMEOUT,
        max_retries=endpoints.RETRIES,
        stream=False,
    )
    # What the client gave up on is not tried again, and keeps its own words.
    found.api.should_retry = lambda error: False
    return found


def run_arm(
    model: Responder, trial: Trial, arm: Arm, tell: Callable[[int], None], told: Told
) -> list[Answer]:
    """The answers to all cases under one arm, in the order of the cases.

    A bundled model is not asked again what stands in ``told``, and its answers are added there.
    Raises TaskFailed with Inspect's own words where the task did not succeed.
    """
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample

    samples = [
        Sample(id=case.id, input=_messages(case.chat), metadata={"group": case.group})
        for case in trial.cases
    ]
    answers: dict[str, Answer] = {}
    cases = {case.id: case for case in trial.cases}
    far = model if isinstance(model, Endpoint) else None
    ask = _asker(trial, Pace(far.per_minute if far else 0))
    task = Task(
        dataset=samples,
        solver=_solver(arm, cases, answers, ask, tell if far else _silent),
        scorer=_scorer(trial, cases, answers),
        name=f"{trial.name}-{arm.name}",
    )
    logs = eval(
        task,
        model=_endpoint(far) if far else _model(Batches(cast("LanguageModel", model), tell, told)),
        display="none",
        log_dir=str(packaged.log_dir()),
        log_realtime=False,
        log_level="error",
        max_samples=WIDE,
        max_connections=endpoints.CONNECTIONS if far else WIDE,
        acp_server=False,
        ctl_server=False,
    )
    _check(logs[0], far)
    if far:
        _account(far, arm, logs[0])
    return [answers[case.id] for case in trial.cases]


def _silent(done: int) -> None:
    """A bundled model tells how far it is by itself, batch by batch."""


def _account(target: Endpoint, arm: Arm, log: EvalLog) -> None:
    """Add the tokens that a task took, as the endpoint itself counted them."""
    calls = sum(event.event == "model" for sample in log.samples or [] for event in sample.events)
    usage = log.stats.model_usage.values()
    sent, came = sum(row.input_tokens for row in usage), sum(row.output_tokens for row in usage)
    target.spend(arm.name, calls, sent, came)


def _messages(chat: Chat) -> list[Any]:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds: dict[str, Any] = {
        "system": ChatMessageSystem,
        "user": ChatMessageUser,
        "assistant": ChatMessageAssistant,
    }
    return [kinds[message["role"]](content=message["content"]) for message in chat]


def _asker(trial: Trial, pace: Pace) -> Ask:
    """Puts messages to whatever model the task runs on, no faster than the pace."""
    from inspect_ai.model import GenerateConfig, get_model

    async def ask(chat: Chat, max_new_tokens: int | None = None) -> str:
        if wait := pace.next():
            await asyncio.sleep(wait)
        config = GenerateConfig(max_tokens=max_new_tokens or trial.max_new_tokens, temperature=0)
        return (await get_model().generate(_messages(chat), config=config)).completion

    return ask


def _solver(
    arm: Arm,
    cases: dict[str, Case],
    answers: dict[str, Answer],
    ask: Ask,
    tell: Callable[[int], None],
) -> Any:
    """The arm as an Inspect solver; ``tell`` hears how many cases are answered."""
    from inspect_ai.model import ModelOutput
    from inspect_ai.solver import solver

    @solver(name=arm.name)
    def build() -> Any:
        async def solve(state: Any, generate: Any) -> Any:
            answer = await arm.act(cases[str(state.sample_id)], ask)
            answers[str(state.sample_id)] = answer
            tell(len(answers))
            state.output = ModelOutput.from_content(str(state.model), answer.text)
            return state

        return solve

    return build()


def _scorer(trial: Trial, cases: dict[str, Case], answers: dict[str, Answer]) -> Any:
    from inspect_ai.scorer import Score, mean, scorer, stderr

    @scorer(metrics={"*": [mean(), stderr()]}, name=f"{trial.name}-score")
    def build() -> Any:
        async def score(state: Any, target: Any) -> Any:
            case = cases[str(state.sample_id)]
            found = trial.score(case, answers[case.id])
            # What does not apply to a case is unscored, which Inspect writes as not-a-number.
            value = {name: float(found.get(name, math.nan)) for name in trial.measures}
            return Score(value=value)

        return score

    return build()


def _check(log: EvalLog, far: Endpoint | None) -> None:
    if log.status != "success":
        said = log.error.message if log.error else f"Inspect ended with {log.status}."
        raise TaskFailed(far.without_key(said) if far else said)
