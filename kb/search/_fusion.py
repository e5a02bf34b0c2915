"""Fusing the legs into one order, by ranks and by normalised scores."""

from __future__ import annotations

from dataclasses import dataclass, field

RRF_K = 60
WEIGHTS = {"semantic": 1.0, "keyword": 1.0}

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


def fuse(legs: dict[str, Found], exact: int | None) -> list[Hit]:
    """Weighted reciprocal rank fusion: score = sum over legs of weight / (60 + rank).

    Cormack, Clarke & Büttcher 2009, SIGIR. A paper that was named exactly comes first.
    """
    hits: dict[int, Hit] = {}
    for leg, found in legs.items():
        for position, (paper_id, _) in enumerate(found, start=1):
            hit = hits.setdefault(paper_id, Hit(paper_id))
            hit.score += WEIGHTS[leg] / (RRF_K + position)
            hit.ranks[leg] = position
    if exact is not None:
        named = hits.setdefault(exact, Hit(exact))
        named.exact, named.score = True, 1.0
    return sorted(hits.values(), key=lambda hit: (-hit.score, hit.paper_id))
