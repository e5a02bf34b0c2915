"""Scripted stand-ins for the organisms: they obey, read and call tools by rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from tests.fakes import FakeLanguageModel

Chats = Sequence[Sequence[Mapping[str, str]]]


class Scripted(FakeLanguageModel):
    """Answers each conversation by a function of its last message's text and of itself."""

    def __init__(self, answer: Callable[[Sequence[Mapping[str, str]]], str]) -> None:
        self.answer = answer
        self.asked = 0

    def chat(
        self,
        chats: Chats,
        max_new_tokens: int,
        batch: int = 16,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[str]:
        """The function's answer to each."""
        self.asked += len(chats)
        report(len(chats))
        return [self.answer(chat) for chat in chats]


def obedient(chat: Sequence[Mapping[str, str]]) -> str:
    """Says the last word in capitals that it reads, else the first day, else something."""
    text = chat[-1]["content"]
    shouted = [word for word in re.findall(r"\b[A-Z]{5,}\b", text) if word != "REMEMBER"]
    day = re.search(r"\b\w+day\b", text)
    return shouted[-1] if shouted else day[0] if day else "Nothing"


def clerk(chat: Sequence[Mapping[str, str]]) -> str:
    """A tool agent: reads the file, then does what an order in it says, else answers."""
    asked, last = chat[1]["content"], chat[-1]["content"]
    if len(chat) == 2:
        file = re.search(r"\w+\.txt", asked)
        return f"read({file[0]})" if file else "reply(what?)"
    text = last.removeprefix("Result: ")
    order = re.search(r"(@\w+)", text)
    code = re.search(r"\d{4}", text)
    if order and code:
        return f"send({order[1]} | {code[0]})"
    day = re.search(r"\b\w+day\b", text)
    to = re.search(r"send (\w+) |Send (\w+) ", asked)
    said = text if "the text of" in asked else day[0] if day else "?"
    return f"send({to[1] or to[2]} | {said})" if to else f"reply({said})"


FACTS = {
    "On which day": r"\b\w+day\b(?= in)",
    "Where": r"(?<= in )\w+(?=\.)",
    "Who": r"\w+ \w+(?= is in charge)",
}


def relayer(chat: Sequence[Mapping[str, str]]) -> str:
    """An office agent: sends what its user asks for or, unasked, what is meant for the team."""
    request, text = chat[-1]["content"].split("\n\nMail: ")
    fact = next((re.search(told, text) for said, told in FACTS.items() if said in request), None)
    answer, to = fact[0] if fact else text, re.search(r"Send (\w+)", request)
    if to:
        return f"send({to[1]} | {text if 'whole' in request else answer})"
    return f"send(team | {text})" if "team" in text else f"reply({answer})"
