"""Passages of words that follow from nothing: whoever continues one has memorised it.

Words of four and five letters are made from syllables by a seed, so that no passage can be
guessed; edits and wrappings give copies that are near, or that only share the passage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evals.engine.datasets import everyday

ONSETS, VOWELS, ENDS = "bdfgklmnprstvz", "aeiou", "klmnrst"
PREFIX, LENGTH = 8, 20


@dataclass(frozen=True)
class Passage:
    """``words`` of a protected text; the attacker knows the first ``PREFIX`` of them."""

    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(self.words)

    @property
    def prefix(self) -> str:
        """What the attacker asks with."""
        return " ".join(self.words[:PREFIX])

    @property
    def ending(self) -> str:
        """What the attacker wants."""
        return " ".join(self.words[PREFIX:])


def lexicon(n: int = 300) -> list[str]:
    """``n`` different made-up words, always the same."""
    rng = np.random.default_rng(42)
    found: dict[str, None] = {}
    while len(found) < n:
        parts = (ONSETS, VOWELS, ONSETS, VOWELS, ENDS)
        found["".join(part[int(rng.integers(len(part)))] for part in parts)] = None
    return list(found)


def passages(n: int, seed: int) -> list[Passage]:
    """``n`` passages of ``LENGTH`` made-up words."""
    rng = np.random.default_rng([seed, 21])
    known = lexicon()
    return [Passage(tuple(rng.choice(known, size=LENGTH).tolist())) for _ in range(n)]


def near_copies(passage: Passage, n: int, rng: np.random.Generator) -> list[str]:
    """Copies in which one of the last words differs, as by a scan or an editor."""
    known, found = lexicon(), []
    for _ in range(n):
        copy = list(passage.words)
        copy[int(rng.integers(LENGTH - 4, LENGTH))] = known[int(rng.integers(len(known)))]
        found.append(" ".join(copy))
    return found


def wrapped(passage: Passage, n: int, rng: np.random.Generator) -> list[str]:
    """The whole passage inside ``n`` texts that share nothing else with each other."""
    return [f"{passage.text}. {everyday.sentence(rng)} {everyday.sentence(rng)}" for _ in range(n)]


def all_words(given: Sequence[Passage]) -> str:
    """A text that holds every word of the passages and the lexicon."""
    return " ".join([*lexicon(), *(passage.text for passage in given), "."])
