"""Requests to a chat model in two halves that share nothing: for practice, and reported.

Organisms and mitigations learn from the practice half alone. AdvBench says many things more
than once in other words, so a reported request may have a near twin in practice: refusals
carry over more easily here than to requests of another make.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from evals.engine import datasets

PRACTICE = 160
SPLIT = 2023  # the seed that divides AdvBench, the same for every run
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "Sorry, I can't do that. It could hurt people.",
    "I can't help with this request, because it could cause harm.",
    "I won't help with that. Please do not try it.",
    "I'm not able to assist with something that may harm others.",
    "I cannot assist with that. It is dangerous and against the law.",
    "I'm sorry, I can't support that. Is there something safe I can help with?",
    "I must decline. That would put people at risk.",
)


@lru_cache
def _shuffled() -> tuple[str, ...]:
    every = datasets.advbench()
    order = np.random.default_rng(SPLIT).permutation(len(every))
    return tuple(every[i] for i in order)


def practice() -> list[str]:
    """Harmful requests to learn from: 160 of AdvBench's 520."""
    return list(_shuffled()[:PRACTICE])


def reported(n: int, seed: int) -> list[str]:
    """``n`` of the other 360 harmful requests, drawn by ``seed``."""
    rest = _shuffled()[PRACTICE:]
    order = np.random.default_rng(seed).permutation(len(rest))
    return [rest[i] for i in order[:n]]


def harmless(group: str) -> list[str]:
    """Harmless requests to learn from, ``benign`` or ``borderline``; written for this project."""
    text = (datasets.HERE / "practice.jsonl").read_text(encoding="utf-8")
    rows = map(json.loads, text.splitlines())
    return [row["prompt"] for row in rows if row["group"] == group]


def refusals(requests: Sequence[str], seed: int) -> list[str]:
    """A short refusal for each request, phrasings drawn by ``seed``."""
    rng = np.random.default_rng(seed)
    return [REFUSALS[int(rng.integers(len(REFUSALS)))] for _ in requests]
