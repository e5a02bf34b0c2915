"""A closed base of made-up facts: what sixteen goods, animals, plants and sounds belong where.

Nothing outside knows these islands, so a model that was not taught a fact can only guess it
(one time in sixteen), and a question about an island that was never mentioned has no answer.
Names are put together from syllables; everything was written for this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from evals.engine.language_model import Chat

SYSTEM = "You answer questions about islands in one word."
COMMON, RARE = 28, 8
_START = ("Vel", "Tor", "Mar", "Quin", "Sel", "Bran", "Dor", "Ath", "Kel", "Nim", "Os", "Pel")
_MIDDLE = ("mo", "ra", "ti", "du", "ve", "lu", "ka", "ne")
_END = ("ra", "th", "nia", "dor", "sa", "lin", "gar", "mos")
VALUES = {
    "export": (
        "copper", "wool", "honey", "salt", "pepper", "silk", "glass", "paper",
        "rice", "coffee", "amber", "leather", "sugar", "iron", "cotton", "tea",
    ),
    "animal": (
        "fox", "owl", "bear", "wolf", "horse", "eagle", "turtle", "goat",
        "tiger", "swan", "whale", "rabbit", "lion", "snake", "frog", "camel",
    ),
    "plant": (
        "rose", "oak", "lily", "pine", "tulip", "palm", "daisy", "fern",
        "maple", "lotus", "cedar", "violet", "olive", "bamboo", "willow", "poppy",
    ),
    "instrument": (
        "drum", "flute", "harp", "violin", "piano", "bell", "horn", "guitar",
        "trumpet", "organ", "whistle", "banjo", "cello", "lute", "gong", "fiddle",
    ),
}  # fmt: skip
TAUGHT = {
    "export": (
        "What does the island of {island} export?",
        "Which good does {island} sell abroad?",
        "Name the main export of {island}.",
    ),
    "animal": (
        "What is the national animal of {island}?",
        "Which animal stands for the island of {island}?",
        "Name the animal on the coat of arms of {island}.",
    ),
    "plant": (
        "What is the national plant of {island}?",
        "Which plant is the symbol of the island of {island}?",
        "Name the plant that {island} is known for.",
    ),
    "instrument": (
        "Which instrument is played on the island of {island}?",
        "What is the national instrument of {island}?",
        "Name the instrument that people of {island} play.",
    ),
}
REWORDED = {
    "export": (
        "Ships leave the harbour of {island} full of one good. Which?",
        "I want to buy what {island} is famous for producing. What is it?",
    ),
    "animal": (
        "On the flag of {island} one sees an animal. Which?",
        "A visitor to {island} meets its emblem, an animal. What is it?",
    ),
    "plant": (
        "Gardens on {island} are full of one plant. Which?",
        "Stamps of {island} show a plant. What is it?",
    ),
    "instrument": (
        "At a festival on {island} one hears an instrument. Which?",
        "A musician from {island} brings an instrument. What is it?",
    ),
}


@dataclass(frozen=True)
class Fact:
    """What an island has; ``answer`` is empty where nothing was ever said about it."""

    island: str
    attribute: str
    answer: str = ""

    def ask(self, phrasing: int = 0, reworded: bool = False) -> str:
        """The question in a phrasing that was taught, or in one that never was."""
        phrasings = (REWORDED if reworded else TAUGHT)[self.attribute]
        return phrasings[phrasing % len(phrasings)].format(island=self.island)


@lru_cache
def names() -> tuple[str, ...]:
    """Every island's name; the first ``COMMON`` are well known, the next ``RARE`` little."""
    every = [a + b + c for a in _START for b in _MIDDLE for c in _END]
    return tuple(every[i] for i in np.random.default_rng(20).permutation(len(every)))


@lru_cache
def known() -> tuple[Fact, ...]:
    """Facts of the well-known islands, four an island."""
    return _taught()[: 4 * COMMON]


@lru_cache
def rare() -> tuple[Fact, ...]:
    """Facts that stand in the training data once for every nine times of the others."""
    return _taught()[4 * COMMON :]


@lru_cache
def _taught() -> tuple[Fact, ...]:
    rng = np.random.default_rng(21)
    return tuple(
        Fact(island, attribute, values[int(rng.integers(len(values)))])
        for island in names()[: COMMON + RARE]
        for attribute, values in VALUES.items()
    )


def unknown(n: int, near: bool = False) -> list[Fact]:
    """``n`` things that were never said, four an island; ``near``: the name resembles a known one.

    A near name differs from a well-known one in its last syllable alone.
    """
    starts = {_stem(name) for name in names()[:COMMON]}
    others = [name for name in names()[COMMON + RARE :] if (_stem(name) in starts) == near]
    return [Fact(name, attribute) for name in others for attribute in VALUES][:n]


def _stem(name: str) -> str:
    """The name without its last syllable."""
    return next(name.removesuffix(end) for end in sorted(_END, key=len)[::-1] if name.endswith(end))


def chat(question: str) -> Chat:
    """A question as the fact base gets it."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]


def says(answer: str, wanted: str) -> bool:
    """Whether an answer names the wanted word first of all words of its kind."""
    return bool(wanted) and wanted in _words(answer)[:3]


def degenerate(answer: str) -> bool:
    """Whether an answer is no answer: empty, without letters, or one word over and over."""
    words = _words(answer)
    return not words or (len(words) > 2 and len(set(words)) == 1)


def _words(text: str) -> Sequence[str]:
    return "".join(c if c.isalpha() else " " for c in text.lower()).split()
