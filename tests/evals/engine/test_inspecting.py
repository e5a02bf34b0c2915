"""The door to Inspect: batches, failures, conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from evals.engine import inspecting
from evals.engine.inspecting import Batches
from tests.fakes import FakeLanguageModel


def chats(*texts: str) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": text}] for text in texts]


class Echo(FakeLanguageModel):
    """Says what it was asked, and remembers the batches."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def chat(
        self, given: Sequence[Sequence[Mapping[str, str]]], length: int, *a: Any, **kw: Any
    ) -> list[str]:
        self.seen.append((len(given), length))
        return [chat[-1]["content"] for chat in given]


def test_each_request_gets_its_own_answer_by_length() -> None:
    model = Echo()

    async def ask() -> list[str]:
        batches = Batches(model, lambda done: None, {})  # type: ignore[arg-type]
        given = zip(chats("a", "b", "c", "d"), (8, 16, 8, 16), strict=True)
        return list(await asyncio.gather(*(batches.ask(chat, n) for chat, n in given)))

    assert asyncio.run(ask()) == ["a", "b", "c", "d"]
    assert model.seen == [(2, 8), (2, 16)]


def test_a_second_turn_is_a_second_batch() -> None:
    model = Echo()

    async def twice(batches: Batches, chat: Any) -> str:
        first = await batches.ask(chat, 8)
        return await batches.ask([*chat, {"role": "user", "content": first + "!"}], 8)

    async def ask() -> list[str]:
        batches = Batches(model, lambda done: None, {})  # type: ignore[arg-type]
        return list(await asyncio.gather(*(twice(batches, chat) for chat in chats("a", "b"))))

    assert asyncio.run(ask()) == ["a!", "b!"]
    assert model.seen == [(2, 8), (2, 8)]


def test_a_failure_reaches_everybody_who_waits() -> None:
    class Broken(FakeLanguageModel):
        def chat(self, *args: Any, **kwargs: Any) -> Any:
            raise MemoryError("no room")

    async def ask() -> list[Any]:
        batches = Batches(Broken(), lambda done: None, {})  # type: ignore[arg-type]
        asked = (batches.ask(chat, 8) for chat in chats("a", "b"))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    assert [type(found) for found in asyncio.run(ask())] == [MemoryError, MemoryError]


def test_roles_survive_the_way_through_inspect() -> None:
    given = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
    ]
    made = inspecting._messages(given)
    assert [{"role": m.role, "content": m.text} for m in made] == given


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(KeyError):
        inspecting._messages([{"role": "wizard", "content": "x"}])
