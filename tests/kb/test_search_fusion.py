"""Fusing the legs: shares, ranks, the lift by topics, and what a hit says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from kb.search._fusion import Hits, Leg, Topics, fuse


def leg(found: dict[int, float], also: dict[int, float] | None = None) -> Leg:
    """A leg that found these papers, best first, and knows the scores of some others."""
    known = {**found, **(also or {})}
    ids = np.array(sorted(known), dtype=np.int64)
    scores = np.array([known[pk] for pk in ids.tolist()], dtype=np.float32)
    best = max(found, key=lambda pk: found[pk])
    order = sorted(found, key=lambda pk: -found[pk])
    return Leg(np.array(order, dtype=np.int64), ids, scores, 0.0, found[best])


def legs() -> dict[str, Leg]:
    return {
        "keyword": leg({7: 10.0, 3: 5.0}, {9: 1.0}),
        "semantic": leg({9: 0.8, 7: 0.4}),
    }


def test_the_weighted_shares_make_the_order() -> None:
    hits = fuse(legs())
    assert [hit.paper_id for hit in hits] == [7, 9, 3]
    assert hits[0].score == pytest.approx(0.6 * 1.0 + 0.4 * 0.5)
    assert hits[1].score == pytest.approx(0.6 * 0.1 + 0.4 * 1.0)
    assert hits[0].ranks == {"semantic": 2, "keyword": 1}
    assert hits[1].ranks == {"semantic": 1, "keyword": None}


def test_one_leg_alone_counts_in_full() -> None:
    hits = fuse({"semantic": leg({9: 0.8, 7: 0.4})})
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.5])


def test_what_is_named_comes_first_though_no_leg_found_it() -> None:
    hits = fuse(legs(), exact=42)
    assert (hits[0].paper_id, hits[0].exact, str(hits[0])) == (42, True, "named exactly")
    assert not any(hit.exact for hit in hits[1:])


def test_a_topic_lifts_and_is_named() -> None:
    lifted = Topics(
        np.array([3], dtype=np.int64), np.array([1.0]), np.array(["Jailbreak"], dtype=object)
    )
    hit = next(hit for hit in fuse(legs(), topics=lifted) if hit.paper_id == 3)
    assert hit.score == pytest.approx(0.6 * 0.5 + 0.1)
    assert str(hit) == "words: rank 2 · topic: Jailbreak"


def test_hits_are_cut_and_narrowed_like_a_list() -> None:
    hits = fuse(legs())
    assert isinstance(hits[1:], Hits)
    assert [hit.paper_id for hit in hits[1:]] == [9, 3]
    assert [hit.paper_id for hit in hits.among(np.array([3, 7]))] == [7, 3]
    assert len(fuse({})) == 0
