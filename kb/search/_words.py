"""The words of the collection: their stems, their spelling, and what acronyms stand for."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from django.db import connection

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
SHORT = re.compile(r"\(([A-Za-z]*[A-Z]{2,7}[a-z0-9]{0,2})s?\)")
SHORTEST_CORRECTED = 5
SEEN_OFTEN = 3
CANDIDATES = 40
# Two edits lead astray easily: only to a word in wide use, and to the same first letter.
WIDELY = 20
ALIAS_COUNTS = 3
EVERYDAY = 0.0015
ENDINGS = ("s", "es", "ed", "d", "ing", "er", "ers", "r", "rs", "ly")


def stems(words: Iterable[str]) -> dict[str, str]:
    """{word: its stem} by PostgreSQL's English stemmer; a stop word has an empty stem."""
    asked = sorted(set(words))
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(COALESCE((ts_lexize('english_stem', w))[1], '') ORDER BY n) "
            "FROM unnest(%s::text[]) WITH ORDINALITY AS t(w, n)",
            [asked],
        )
        return dict(zip(asked, cursor.fetchone()[0], strict=True))


class Words:
    """What one reading of the texts taught: word counts, stems, acronyms."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.stem: dict[str, str] = {}
        self._forms: dict[str, list[str]] = defaultdict(list)
        self._long: dict[str, Counter[str]] = defaultdict(Counter)
        self._speller: Speller | None = None

    def learn(self, texts: Iterable[str]) -> None:
        """Take in texts; what they say stays known when they go."""
        for text in texts:
            self.counts.update(tokens(text))
            for short, long in definitions(text):
                self._long[short][long] += 1
        new = stems(self.counts.keys() - self.stem.keys())
        self.stem |= new
        for word, stem in new.items():
            self._forms[stem].append(word)
        self._speller = None

    def forms(self, wanted: Iterable[str]) -> dict[str, str]:
        """{word: its stem} of all known words that have one of these stems."""
        return {word: stem for stem in wanted for word in self._forms.get(stem, ())}

    def name(self, short: str, long: str) -> None:
        """Say what an acronym stands for; texts that often say otherwise outweigh it."""
        self._long[short.upper()][long.lower()] += ALIAS_COUNTS

    def often(self) -> float:
        """From how many uses on a word is so usual that spelling it out says nothing."""
        return max(10.0, EVERYDAY * sum(self.counts.values()))

    def meanings(self, short: str) -> list[str]:
        """What an acronym stands for, the most usual first, at most two."""
        known = self._long.get(short.upper())
        if not known:
            return []
        most = known.most_common(2)
        return [long for long, count in most if count >= 0.4 * most[0][1]]

    def correct(self, word: str) -> str | None:
        """The known word that a misspelt one was meant to be, or None."""
        if len(word) < SHORTEST_CORRECTED or not word.isalpha():
            return None
        if word in self.counts or inflected(word):
            return None
        if self._speller is None:
            self._speller = Speller(self.counts)
        return self._speller.nearest(word)


def tokens(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return WORD.findall(text.lower())


@lru_cache
def english() -> frozenset[str]:
    """Whole words of the packaged model's vocabulary: no spelling mistakes, though unused here."""
    from ._embedder import packaged_vocabulary

    return packaged_vocabulary()


def inflected(word: str) -> bool:
    """Whether a word is English: in the vocabulary itself, or by its base (thinning, pasted)."""
    known = english()
    bases = {word} | {word.removesuffix(end) for end in ENDINGS if word.endswith(end)}
    bases |= {base + "e" for base in bases}
    bases |= {base[:-1] for base in bases if len(base) > 4 and base[-1] == base[-2]}
    return any(base in known for base in bases if len(base) > 2)


def definitions(text: str) -> Iterable[tuple[str, str]]:
    """(acronym, what it stands for) of every "long form (LF)" in a text.

    Schwartz & Hearst (2003, PSB), "A simple algorithm for identifying abbreviation
    definitions in biomedical text".
    """
    for found in SHORT.finditer(text):
        short = found.group(1)
        before = re.split(r"[.;:,()]", text[: found.start()])[-1].split()
        long = _long_form(short, " ".join(before[-min(len(short) + 5, 2 * len(short)) :]))
        if long:
            yield short.upper(), long.lower()


def _long_form(short: str, before: str) -> str | None:
    """The shortest end of ``before`` that holds the letters of ``short`` in order."""
    at = len(before)
    for place, letter in reversed(list(enumerate(short.lower()))):
        at -= 1
        while at >= 0 and (
            before[at].lower() != letter or (place == 0 and at > 0 and before[at - 1].isalnum())
        ):
            at -= 1
        if at < 0:
            return None
    long = before[at:]
    return long if len(long) > len(short) + 2 and " " in long else None


class Speller:
    """The nearest known word: candidates by shared trigrams, chosen by edits and by use."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts
        self.words = [
            w for w, n in counts.items() if n >= SEEN_OFTEN and len(w) > 3 and w.isalpha()
        ]
        grams: dict[str, list[int]] = defaultdict(list)
        for number, word in enumerate(self.words):
            for gram in trigrams(word):
                grams[gram].append(number)
        self._grams = {gram: np.array(numbers) for gram, numbers in grams.items()}
        self._sizes = np.array([len(word) + 1 for word in self.words])

    def nearest(self, word: str) -> str | None:
        """The word within one edit (two from eight letters on); None where there is none."""
        lists = [self._grams[gram] for gram in trigrams(word) if gram in self._grams]
        if not lists:
            return None
        shared = np.bincount(np.concatenate(lists), minlength=len(self.words))
        alike = 2 * shared / (self._sizes + len(word) + 1)
        most = 1 if len(word) < 8 else 2
        near = [self.words[i] for i in np.argsort(-alike, kind="stable")[:CANDIDATES]]
        judged = [(edits(word, w, most), w[0] != word[0], -self.counts[w], w) for w in near]
        distance, other_start, often, best = min(judged)
        if distance == 1 or (distance == 2 == most and not other_start and -often >= WIDELY):
            return best
        return None


def trigrams(word: str) -> set[str]:
    """The trigrams of a word as pg_trgm counts them: two spaces before, one after."""
    padded = f"  {word} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def edits(one: str, other: str, most: int) -> int:
    """Insertions, deletions, changes and swaps of neighbours between two words.

    The optimal string alignment distance; ``most + 1`` stands for anything above ``most``.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, older[j - 2] + 1)
            row.append(best)
    return min(row[-1], most + 1)
