"""Fusing the legs into one order by their scores, each brought to the same scale.

A convex combination of normalised scores (Bruch, Gai & Ingber 2023, ACM TOIS, "An analysis
of fusion functions for hybrid retrieval") kept its lead over reciprocal rank fusion on the
collection in ``bench/search``: ranks forget that a leg's first paper is far ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

# Chosen on the development half of the collection, as was the weight of the topics.
WEIGHTS = {"semantic": 0.4, "keyword": 0.6}
TOPICS = 0.1
EXACT = 2.0

Found = list[tuple[int, float]]


def no_ids() -> np.ndarray:
    """No paper ids."""
    return np.zeros(0, dtype=np.int64)


def no_scores() -> np.ndarray:
    """No scores."""
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class Hit:
    """A paper that answers, with its rank in each leg (1 is best, None is absent)."""

    paper_id: int
    score: float
    ranks: Mapping[str, int | None]
    exact: bool = False
    topic: str = ""

    def __str__(self) -> str:
        """Why the paper is here, in a few words."""
        said = ["named exactly"] if self.exact else []
        words = {"semantic": "meaning", "keyword": "words"}
        said += [f"{words[leg]}: rank {rank}" for leg, rank in self.ranks.items() if rank]
        return " · ".join([*said, f"topic: {self.topic}"] if self.topic else said)


@dataclass
class Leg:
    """What a leg found, best first, and the scores that mean nothing and the most there.

    ``known`` are all papers whose score there is known, in ascending order of their ids, and
    ``scores`` belong to them.
    """

    found: np.ndarray = field(default_factory=no_ids)
    known: np.ndarray = field(default_factory=no_ids)
    scores: np.ndarray = field(default_factory=no_scores)
    floor: float = 0.0
    best: float = 1.0

    def shares(self, papers: np.ndarray) -> np.ndarray:
        """The score of each paper between 0 (as good as any) and 1 (the best)."""
        score = looked_up(self.known, self.scores, papers, self.floor)
        return (score - self.floor) / max(self.best - self.floor, 1e-6)

    def ranks(self, papers: np.ndarray) -> np.ndarray:
        """The place of each paper, from 1; 0 where the leg did not find it."""
        order = np.argsort(self.found)
        return looked_up(self.found[order], order + 1, papers, 0).astype(int)


@dataclass
class Topics:
    """Papers, ascending by id, with the topic that each is placed under and its closeness."""

    papers: np.ndarray = field(default_factory=no_ids)
    closeness: np.ndarray = field(default_factory=no_scores)
    names: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=object))


class Hits(Sequence[Hit]):
    """Papers in rank order; each becomes a ``Hit`` when it is looked at."""

    def __init__(
        self,
        papers: np.ndarray,
        scores: np.ndarray,
        ranks: dict[str, np.ndarray],
        topics: np.ndarray,
        exact: int | None,
    ) -> None:
        self.papers, self.scores, self.ranks = papers, scores, ranks
        self.topics, self.exact = topics, exact

    def __len__(self) -> int:
        return len(self.papers)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> Hits: ...
    def __getitem__(self, at: int | slice) -> Hit | Hits:
        if isinstance(at, slice):
            return self.taken(np.arange(len(self))[at])
        ranks = {name: int(places[at]) or None for name, places in self.ranks.items()}
        pk = int(self.papers[at])
        ranks = {name: ranks.get(name) for name in WEIGHTS}
        return Hit(pk, float(self.scores[at]), ranks, pk == self.exact, str(self.topics[at]))

    def taken(self, places: np.ndarray) -> Hits:
        """Those at these places (or where a mask is true), in the same order."""
        ranks = {name: found[places] for name, found in self.ranks.items()}
        return Hits(
            self.papers[places], self.scores[places], ranks, self.topics[places], self.exact
        )

    def among(self, allowed: np.ndarray) -> Hits:
        """Those among the papers ``allowed``."""
        return self.taken(np.isin(self.papers, allowed))


def fuse(legs: Mapping[str, Leg], exact: int | None = None, topics: Topics | None = None) -> Hits:
    """All papers that a leg found, by the weighted sum of their shares in the legs.

    ``topics`` lifts a paper a little. A paper that was named exactly comes first.
    """
    named = no_ids() if exact is None else np.array([exact])
    papers = np.unique(np.concatenate([named, *(leg.found for leg in legs.values())]))
    scores = np.zeros(len(papers))
    total = sum(WEIGHTS[name] for name in legs) or 1.0
    for name, leg in legs.items():
        scores += WEIGHTS[name] / total * leg.shares(papers)
    lifted = topics or Topics()
    scores += TOPICS * looked_up(lifted.papers, lifted.closeness, papers, 0.0)
    scores[papers == exact] = EXACT
    order = np.lexsort((papers, -scores))
    papers = papers[order]
    ranks = {name: leg.ranks(papers) for name, leg in legs.items()}
    said = looked_up(lifted.papers, lifted.names, papers, "")
    return Hits(papers, scores[order], ranks, said, exact)


def looked_up(
    known: np.ndarray, values: np.ndarray, wanted: np.ndarray, otherwise: Any
) -> np.ndarray:
    """The value of each of ``wanted``; ``known`` ascends and ``values`` belong to it."""
    if not len(known):
        return np.full(len(wanted), otherwise, dtype=values.dtype)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, values[at], otherwise)
