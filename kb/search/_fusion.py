"""Fusing the legs into one order by their scores, each brought to the same scale.

A convex combination of normalised scores (Bruch, Gai & Ingber 2023, ACM TOIS, "An analysis
of fusion functions for hybrid retrieval") kept its lead over reciprocal rank fusion on the
collection in ``bench/search``: ranks forget that a leg's first paper is far ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Chosen on the development half of the collection, as was the weight of the topics.
WEIGHTS = {"semantic": 0.4, "keyword": 0.6}
TOPICS = 0.1
EXACT = 2.0

Found = list[tuple[int, float]]


@dataclass
class Hit:
    """A paper that answers, with its rank in each leg (1 is best, None is absent)."""

    paper_id: int
    score: float = 0.0
    ranks: dict[str, int | None] = field(
        default_factory=lambda: {"semantic": None, "keyword": None}
    )
    exact: bool = False
    topic: str = ""


@dataclass
class Leg:
    """What a leg found, best first, and the scores that mean nothing and the most there."""

    found: Found
    floor: float = 0.0
    best: float = 1.0
    scores: Mapping[int, float] = field(default_factory=dict)

    def share(self, paper_id: int) -> float:
        """The score of a paper between 0 (as good as any) and 1 (the best)."""
        score = self.scores.get(paper_id, self.floor)
        return (score - self.floor) / max(self.best - self.floor, 1e-6)


def fuse(
    legs: Mapping[str, Leg],
    exact: int | None,
    topics: Mapping[int, tuple[float, str]] | None = None,
) -> list[Hit]:
    """All papers that a leg found, by the weighted sum of their shares in the legs.

    ``topics`` is {paper id: (closeness to the query, name)} of the topic each is placed under,
    which lifts a paper a little. A paper that was named exactly comes first.
    """
    hits: dict[int, Hit] = {}
    for name, leg in legs.items():
        for position, (paper_id, _) in enumerate(leg.found, start=1):
            hits.setdefault(paper_id, Hit(paper_id)).ranks[name] = position
    total = sum(WEIGHTS[name] for name in legs) or 1.0
    for hit in hits.values():
        shares = [WEIGHTS[name] * leg.share(hit.paper_id) for name, leg in legs.items()]
        closeness, hit.topic = (topics or {}).get(hit.paper_id, (0.0, ""))
        hit.score = sum(shares) / total + TOPICS * closeness
    if exact is not None:
        named = hits.setdefault(exact, Hit(exact))
        named.exact, named.score = True, EXACT
    return sorted(hits.values(), key=lambda hit: (-hit.score, hit.paper_id))
