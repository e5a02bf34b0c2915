"""BM25 over weighted fields (BM25F), in memory, on lexemes that PostgreSQL made.

Robertson, Zaragoza & Taylor (2004, CIKM), "Simple BM25 extension to multiple weighted
fields": the counts of a term in the fields are normalised by each field's length, weighted
and added, and the sum saturates once. ``ts_rank_cd`` has no notion of a rare word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

# Fields are PostgreSQL's weight labels: A is the title, B our summary, C the abstract, and D,
# which PostgreSQL leaves unwritten, the plain words.
FIELDS = "ABCD"
LEXEME = re.compile(r"'((?:[^']|'')*)':([\dABCD,]+)")
MERGE_AT = 500

Counts = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Bm25:
    """How counts become a score: weight and length normalisation of each field."""

    k1: float = 1.2
    weights: tuple[float, ...] = (2.0, 1.0, 1.0, 1.0)
    b: tuple[float, ...] = (0.5, 0.6, 0.6, 0.6)


def parse(tsvector: str) -> Counts:
    """{lexeme: its count in each field} of a tsvector's text form."""
    return {
        lexeme.replace("''", "'"): _by_field(places) for lexeme, places in LEXEME.findall(tsvector)
    }


def _by_field(places: str) -> tuple[int, ...]:
    """How many of the places, such as ``3A,7B,12``, lie in each field."""
    written = [places.count(label) for label in FIELDS[:-1]]
    return (*written, places.count(",") + 1 - sum(written))


def parse_plain(tsvector: str) -> dict[str, int]:
    """{lexeme: count} of a tsvector without weights."""
    return {
        lexeme.replace("''", "'"): places.count(",") + 1
        for lexeme, places in LEXEME.findall(tsvector)
    }


class Postings:
    """Documents by lexeme. Changed documents wait in an overlay until there are many."""

    def __init__(self, documents: Mapping[int, Counts], how: Bm25 | None = None) -> None:
        self.how = how or Bm25()
        self._vocabulary: dict[str, int] = {}
        self._load(*self._triples(documents))

    def __len__(self) -> int:
        return int(self._alive.sum()) + len(self._overlay)

    def frequency(self, lexeme: str) -> int:
        """In how many documents a lexeme stands (those replaced lately included)."""
        term = self._vocabulary.get(lexeme)
        count = 0 if term is None else int(self._starts[term + 1] - self._starts[term])
        return count + sum(lexeme in document for document in self._overlay.values())

    def idf(self, lexeme: str) -> float:
        """ln(1 + (N - n + 1/2) / (n + 1/2)); highest for a word that no document holds."""
        count, total = self.frequency(lexeme), len(self)
        return float(np.log1p((max(total - count, 0) + 0.5) / (count + 0.5)))

    def scores(self, query: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """(ids, scores) of every document, in one order; ``query`` is {lexeme: weight}."""
        found = np.zeros(len(self.ids), dtype=np.float32)
        weights = {lexeme: weight * self.idf(lexeme) for lexeme, weight in query.items()}
        for lexeme, weight in weights.items():
            term = self._vocabulary.get(lexeme)
            if term is not None:
                at = slice(self._starts[term], self._starts[term + 1])
                found[self._slots[at]] += np.float32(weight) * self._impacts[at]
        found[~self._alive] = 0
        late = [self._late(counts, weights) for counts in self._overlay.values()]
        ids = np.fromiter(self._overlay, dtype=np.int64, count=len(self._overlay))
        return np.concatenate([self.ids, ids]), np.append(found, np.array(late, dtype=np.float32))

    def held(self, query: Mapping[str, float], ids: Sequence[int]) -> list[float]:
        """What the words of ``query`` that each document holds are worth (weight times idf)."""
        slots = np.array([self._slot_of.get(pk, -1) for pk in ids])
        worth = np.zeros(len(slots))
        for lexeme, weight in query.items():
            term = self._vocabulary.get(lexeme)
            there = np.array([lexeme in self._overlay.get(pk, {}) for pk in ids], dtype=bool)
            if term is not None:
                there |= np.isin(slots, self._slots[self._starts[term] : self._starts[term + 1]])
            worth[there] += weight * self.idf(lexeme)
        return worth.tolist()

    def replace(self, gone: Iterable[int], documents: Mapping[int, Counts]) -> None:
        """Drop the documents ``gone`` and put in others, by id."""
        for pk in gone:
            self._overlay.pop(pk, None)
            if pk in self._slot_of:
                self._alive[self._slot_of.pop(pk)] = False
        self._overlay.update(documents)
        if len(self._overlay) > MERGE_AT:
            self._merge()

    def supposing(self, gone: Iterable[int], documents: Mapping[int, Counts]) -> Postings:
        """Postings in which that has been replaced; these stay as they are."""
        other = copy(self)
        other._alive, other._slot_of = self._alive.copy(), dict(self._slot_of)
        other._overlay, other._vocabulary = dict(self._overlay), dict(self._vocabulary)
        other.replace(gone, documents)
        return other

    def _late(self, document: Counts, weights: Mapping[str, float]) -> float:
        """The score of a document in the overlay, by the averages of the last merge."""
        shared = weights.keys() & document.keys()
        if not shared:
            return 0.0
        lengths = np.array(list(document.values())).sum(axis=0)
        counts = np.array([document[lexeme] for lexeme in shared])
        impacts = self._impact(counts, np.broadcast_to(lengths, counts.shape))
        return float(impacts @ np.array([weights[lexeme] for lexeme in shared]))

    def _impact(self, counts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Saturated counts of (term, document) pairs; both of shape (pairs, fields)."""
        b, weights = np.array(self.how.b), np.array(self.how.weights)
        normal = 1 - b + b * lengths / self._average
        together = (counts / normal * weights).sum(axis=1)
        return together * (self.how.k1 + 1) / (together + self.how.k1)

    def _triples(self, documents: Mapping[int, Counts]) -> tuple[np.ndarray, ...]:
        """(ids, slot of each posting, its term, its counts) with new words numbered."""
        ids = np.fromiter(documents, dtype=np.int64, count=len(documents))
        sizes = [len(counts) for counts in documents.values()]
        slots = np.repeat(np.arange(len(ids), dtype=np.int32), sizes)
        words = self._vocabulary
        number = [words.setdefault(w, len(words)) for counts in documents.values() for w in counts]
        terms = np.array(number, dtype=np.int32)
        flat = [n for counts in documents.values() for per in counts.values() for n in per]
        return ids, slots, terms, np.array(flat, dtype=np.uint8).reshape(-1, len(FIELDS))

    def _load(
        self, ids: np.ndarray, slots: np.ndarray, terms: np.ndarray, counts: np.ndarray
    ) -> None:
        """Sort postings by term and compute what each adds to a score."""
        order = np.argsort(terms, kind="stable")
        self.ids, self._slots, self._counts = ids, slots[order], counts[order]
        self._starts = np.searchsorted(terms[order], np.arange(len(self._vocabulary) + 1))
        lengths = np.stack(
            [np.bincount(self._slots, column, len(ids)) for column in self._counts.T], axis=1
        )
        held = np.maximum((lengths > 0).sum(axis=0), 1)
        self._average = np.maximum(lengths.sum(axis=0) / held, 1.0)
        self._impacts = self._impact(self._counts, lengths[self._slots]).astype(np.float32)
        self._slot_of = dict(zip(ids.tolist(), range(len(ids)), strict=True))
        self._alive = np.ones(len(ids), dtype=bool)
        self._overlay: dict[int, Counts] = {}

    def _merge(self) -> None:
        """Take the overlay in, and leave out what was dropped."""
        terms = np.repeat(np.arange(len(self._starts) - 1, dtype=np.int32), np.diff(self._starts))
        kept = self._alive[self._slots]
        moved = np.cumsum(self._alive, dtype=np.int32) - 1
        old_ids = self.ids[self._alive]
        ids, slots, new_terms, counts = self._triples(self._overlay)
        self._load(
            np.concatenate([old_ids, ids]),
            np.concatenate([moved[self._slots[kept]], slots + np.int32(len(old_ids))]),
            np.concatenate([terms[kept], new_terms]),
            np.concatenate([self._counts[kept], counts]),
        )
