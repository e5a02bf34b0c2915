"""Risks and mitigations, found by their names and by what they mean.

There are a few hundred, so they are held in memory and compared one by one; each search asks
PostgreSQL for the versions of their rows and reads them again when one has changed.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection

from taxonomy.models import Mitigation, Risk, Status

from ._embedder import embedder
from ._vectors import read_shipped, text_digest
from ._words import tokens, trigrams

# A row that is written anew has another place, or another transaction that made it.
VERSIONS = """
SELECT md5(string_agg(v, '' ORDER BY v)) FROM (
    SELECT 'r' || ctid || xmin FROM taxonomy_risk
    UNION ALL SELECT 'm' || ctid || xmin FROM taxonomy_mitigation
    UNION ALL SELECT 'c' || ctid || xmin FROM taxonomy_category
    UNION ALL SELECT 's' || ctid || xmin FROM taxonomy_stage
) AS rows(v)
"""
# A name is meant where so much of it, or of the query, is spelt in the other.
SPELT = 0.75
SHORTEST = 3
# The topics of a query are so many risks nearest to it.
CLOSEST = 7


@dataclass(frozen=True)
class Term:
    """A risk or a mitigation: what a search shows of it, and what it is found by."""

    kind: str
    pk: int
    slug: str
    name: str
    url: str
    names: tuple[frozenset[str], ...]
    text: str


class Spelt:
    """How much of each term's names is spelt in a query: trigrams counted by an index."""

    def __init__(self, terms: Sequence[Term]) -> None:
        names = [(at, name) for at, term in enumerate(terms) for name in term.names if name]
        self.count = len(terms)
        self._owners = np.array([at for at, _ in names], dtype=np.int64)
        self._sizes = np.array([len(name) for _, name in names])
        grams: dict[str, list[int]] = defaultdict(list)
        for number, (_, name) in enumerate(names):
            for gram in name:
                grams[gram].append(number)
        self._holders = {gram: np.array(numbers) for gram, numbers in grams.items()}

    def shares(self, asked: frozenset[str]) -> np.ndarray:
        """For each term the share of trigrams that the query and one of its names share."""
        best = np.zeros(self.count)
        lists = [self._holders[gram] for gram in asked if gram in self._holders]
        if lists:
            shared = np.bincount(np.concatenate(lists), minlength=len(self._sizes))
            np.maximum.at(best, self._owners, shared / np.minimum(self._sizes, len(asked)))
        return best


class Terms:
    """Terms by name and by vector; safe to use from several threads."""

    def __init__(self) -> None:
        self._digest = ""
        self._terms: list[Term] = []
        self._spelt = Spelt([])
        self._vectors: np.ndarray | None = None
        self._lock = threading.Lock()

    def find(self, text: str, vector: np.ndarray | None) -> tuple[list[Term], np.ndarray]:
        """(all terms, the score of each).

        A score above 1 says that the name is spelt in the query (or the query in the name);
        below, it is the cosine of ``vector`` to the term, or 0 without a vector. With a vector
        the ranking has just asked for changes.
        """
        with self._lock:
            if vector is None or not self._digest:
                self._refresh()
            terms, spelt = self._terms, self._spelt
            meant = self._cosines(vector)
        names = spelt.shares(spelling(text) if len(text) >= SHORTEST else frozenset())
        return terms, np.where(names >= SPELT, 1 + names, meant)

    def closest(self, vector: np.ndarray) -> tuple[dict[str, float], float]:
        """({slug: closeness} of the risks nearest to ``vector``, the best one's cosine).

        Closeness is 1 for the nearest risk and falls to 0 at the first that is left out.
        Whoever asks has brought the terms up to date.
        """
        with self._lock:
            if not self._digest:
                self._refresh()
            cosines = self._cosines(vector)
            terms = self._terms
        risks = [
            (float(c), t.slug) for c, t in zip(cosines, terms, strict=True) if t.kind == "risk"
        ]
        nearest = sorted(risks, reverse=True)[: CLOSEST + 1]
        if not nearest:
            return {}, 0.0
        best, least = nearest[0][0], nearest[-1][0]
        return {slug: (c - least) / max(best - least, 1e-6) for c, slug in nearest[:CLOSEST]}, best

    def refresh(self) -> None:
        """Read the terms again if they have changed."""
        with self._lock:
            self._refresh()

    def texts(self) -> list[str]:
        """The text that is embedded of each term."""
        with self._lock:
            self._refresh()
            return [term.text for term in self._terms]

    def risks(self) -> dict[str, Term]:
        """{slug: term} of the risks; whoever asks has brought the terms up to date."""
        with self._lock:
            return {term.slug: term for term in self._terms if term.kind == "risk"}

    def version(self, ask: bool = True) -> str:
        """What changes whenever a stage, category, risk or mitigation does."""
        with self._lock:
            if ask or not self._digest:
                self._refresh()
            return self._digest

    def rows(self, kind: str) -> dict[str, int]:
        """{slug: its place in ``texts`` and ``vectors``} of the terms of a kind."""
        with self._lock:
            self._refresh()
            return {t.slug: place for place, t in enumerate(self._terms) if t.kind == kind}

    def vectors(self) -> np.ndarray:
        """The vector of each term, in the order of ``texts``."""
        with self._lock:
            self._refresh()
            self._embed()
            assert self._vectors is not None
            return self._vectors

    def _cosines(self, vector: np.ndarray | None) -> np.ndarray:
        if vector is None or not self._terms:
            return np.zeros(len(self._terms))
        self._embed()
        return np.asarray(self._vectors @ vector)

    def _refresh(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(VERSIONS)
            digest = cursor.fetchone()[0] or "empty"
        if digest != self._digest:
            self._terms, self._vectors = [*read(Risk), *read(Mitigation)], None
            self._spelt = Spelt(self._terms)
            self._digest = digest

    def _embed(self) -> None:
        """Vectors of all terms: the shipped ones, and new ones for texts that changed."""
        if self._vectors is not None:
            return
        known = read_shipped()
        texts = {text_digest(term.text): term.text for term in self._terms}
        missing = {digest: text for digest, text in texts.items() if digest not in known}
        if missing:
            new = embedder().encode(list(missing.values()))
            known = known | dict(zip(missing, new, strict=True))
        self._vectors = np.stack([known[text_digest(term.text)] for term in self._terms])


def spelling(text: str) -> frozenset[str]:
    """The trigrams of the words of a text."""
    return frozenset(gram for word in tokens(text[:200]) for gram in trigrams(word))


def best(terms: Sequence[Term], scores: np.ndarray, kind: str, least: float, n: int) -> list[Term]:
    """The ``n`` best terms of a kind that score at least ``least``."""
    order = np.argsort(-scores, kind="stable")
    found = (terms[i] for i in order.tolist() if terms[i].kind == kind and scores[i] >= least)
    return [term for term, _ in zip(found, range(n), strict=False)]


def read(model: Any) -> Iterable[Term]:
    """The active terms of a model, by slug."""
    kind = model._meta.model_name
    for row in model._default_manager.filter(status=Status.ACTIVE).order_by("slug"):
        aliases = list(getattr(row, "aliases", []))
        also = f" ({', '.join(aliases)})" if aliases else ""
        yield Term(
            kind,
            row.pk,
            row.slug,
            row.name,
            row.get_absolute_url(),
            tuple(spelling(name) for name in [row.name, *aliases]),
            f"{row.name}{also}\n{row.definition}",
        )


TERMS = Terms()
