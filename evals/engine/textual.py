"""Overlap of texts by their words: what was copied, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Sequence


def words(text: str) -> list[str]:
    """The words and numbers of a text, in small letters."""
    return re.findall(r"\w+", text.lower())


def longest_run(first: Sequence[str], second: Sequence[str]) -> int:
    """How many neighbouring words stand in both, at most."""
    best, row = 0, [0] * (len(second) + 1)
    for word in first:
        row = [0, *(row[i] + 1 if word == other else 0 for i, other in enumerate(second))]
        best = max(best, *row)
    return best


def subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words stand in both in the same order, others between them allowed."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = row
        row = [0]
        for i, other in enumerate(second):
            row.append(before[i] + 1 if word == other else max(before[i + 1], row[i]))
    return row[-1]
