"""The green-list watermark: marking, testing, and ways of washing it out.

Kirchenbauer et al. 2023 (arXiv:2301.10226). A keyed hash of the token before makes a share
gamma of the vocabulary green; delta is added to green logits; the test counts green tokens
among distinct pairs of neighbours. The key is the provider's secret.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_GOLD, _MIX1, _MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@dataclass(frozen=True)
class Mark:
    """A watermark's key and strength."""

    key: int
    gamma: float = 0.25
    delta: float = 3.0

    def green(self, before: Any, token: Any) -> np.ndarray:
        """Which tokens are green after which; integer arrays that broadcast together."""
        with np.errstate(over="ignore"):
            mixed = np.asarray(before, np.uint64) * np.uint64(1_000_003)
            mixed = mixed ^ (np.asarray(token, np.uint64) + np.uint64(self.key) * np.uint64(_GOLD))
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_MIX1)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX2)
            mixed = mixed ^ (mixed >> np.uint64(31))
        return (mixed >> np.uint64(11)).astype(np.float64) / 2**53 < self.gamma

    def process(self, ids: Any, scores: Any) -> Any:
        """Add delta to the green logits; of shapes (batch, length) and (batch, vocabulary)."""
        import torch

        vocabulary = np.arange(scores.shape[1])[None]
        green = self.green(ids[:, -1].numpy()[:, None], vocabulary)
        return scores + self.delta * torch.from_numpy(green).to(scores.dtype)

    def z(self, ids: Sequence[int]) -> float:
        """How many standard deviations more green pairs than chance gives; 0 for no pair."""
        pairs = np.array(sorted(set(itertools.pairwise(ids))))
        if not len(pairs):
            return 0.0
        green = int(self.green(pairs[:, 0], pairs[:, 1]).sum())
        spread = math.sqrt(len(pairs) * self.gamma * (1 - self.gamma))
        return (green - self.gamma * len(pairs)) / spread


def substituted(ids: Sequence[int], share: float, vocabulary: int, seed: int) -> list[int]:
    """A share of the tokens, anywhere, replaced by random ones."""
    rng = np.random.default_rng(seed)
    hit = rng.random(len(ids)) < share
    drawn = rng.integers(vocabulary, size=len(ids))
    return [int(new) if yes else old for old, new, yes in zip(ids, drawn, hit, strict=True)]


def every_second(ids: Sequence[int], likely: Sequence[Sequence[int]]) -> list[int]:
    """Every second token replaced by the likeliest other one: no pair of neighbours survives.

    ``likely`` holds, for each place, likely tokens after it (``sampling.next_tokens``).
    """
    found = list(ids)
    for place in range(1, len(ids), 2):
        found[place] = next(t for t in likely[place - 1] if t != ids[place])
    return found
