"""What learns from curated placements: ridge regressions and neighbours, put together.

First level, for every risk: kernel ridge regression over four blends of likeness (meaning,
words, spelling, lists), and votes of the nearest papers (Cover & Hart 1967). The level above
learns how far to believe each of them, from leave-one-out values, which ridge regression has
in closed form (Rifkin & Lippert 2007), so it never sees a value made with a paper's own label
(stacking, Wolpert 1992). It is a linear model with one weight a signal, shared by all risks,
fitted by the softmax likelihood of the curated risks among the best candidates. Confidence is
its score put through a logistic curve (Platt 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .features import BLENDS, Matrix, blend

RIDGE = 1.0
CANDIDATES = 30
VOTERS = ((15, 6), (40, 10))
SHRINK = 1e-3
FEW = 1e-9


@dataclass
class Fitted:
    """First-level coefficients of one set of targets."""

    coefficients: dict[str, Matrix]
    left_out: dict[str, Matrix]


def ridge(found: dict[str, Matrix], targets: Matrix) -> Fitted:
    """Kernel ridge regression of ``targets`` (n, r) on each blend, with leave-one-out values."""
    coefficients, left_out = {}, {}
    for name in BLENDS:
        kernel = blend(found, name).astype(np.float64)
        kernel[np.diag_indices_from(kernel)] += RIDGE
        inverse = np.linalg.inv(kernel)
        solved = inverse @ targets
        coefficients[name] = solved.astype(np.float32)
        left_out[name] = (targets - solved / np.diag(inverse)[:, None]).astype(np.float32)
    return Fitted(coefficients, left_out)


def votes(cosines: Matrix, targets: Matrix, itself: bool) -> list[Matrix]:
    """Shares of the nearest papers' votes by target; ``itself``: rows are the voters too."""
    near = cosines.copy()
    if itself:
        np.fill_diagonal(near, -1)
    found = []
    for count, power in VOTERS:
        count = min(count, near.shape[1] - 1)
        nearest = np.argpartition(-near, count, axis=1)[:, :count]
        weight = np.maximum(np.take_along_axis(near, nearest, 1), FEW) ** power
        sums = np.einsum("nk,nkr->nr", weight, targets[nearest])
        found.append(sums / weight.sum(1, keepdims=True))
    return found


class Stack:
    """The second level: one weight a signal, shared by all risks."""

    def fit(self, signals: Matrix, truth: Matrix) -> Stack:
        """Learn from ``signals`` (n, r, f) and ``truth`` (n, r), rows with a truth alone."""
        from scipy.optimize import minimize

        told = truth.any(axis=1)
        picked = _best(signals[told])
        rows = np.take_along_axis(signals[told], picked[..., None], 1).astype(np.float64)
        self.mean, self.scale = rows.mean((0, 1)), rows.std((0, 1)) + FEW
        rows = (rows - self.mean) / self.scale
        wanted = np.take_along_axis(truth[told], picked, 1).astype(np.float64)
        rows, wanted = rows[wanted.any(1)], wanted[wanted.any(1)]
        share = wanted / wanted.sum(1, keepdims=True)
        start = np.zeros(rows.shape[2])
        how: dict[str, Any] = {"jac": True, "method": "L-BFGS-B", "options": {"maxiter": 100}}
        self.weights = minimize(_softmax_loss, start, args=(rows, share), **how).x
        scores = _log_softmax(rows @ self.weights)
        line = minimize(_logistic_loss, np.array([1.0, 0.0]), args=(scores, wanted), **how)
        self.curve = line.x
        return self

    def confidence(self, signals: Matrix) -> Matrix:
        """How sure it is of every risk, 0 to 1, shape (n, r); 0 for those out of the running."""
        picked = _best(signals)
        rows = (np.take_along_axis(signals, picked[..., None], 1) - self.mean) / self.scale
        sure = _sigmoid(self.curve[0] * _log_softmax(rows @ self.weights) + self.curve[1])
        found = np.zeros(signals.shape[:2])
        np.put_along_axis(found, picked, sure, 1)
        return found


def _best(signals: Matrix) -> Matrix:
    """The risks in the running: those that the first signals together put first."""
    total = signals[:, :, : len(BLENDS)].sum(2)
    return np.argsort(-total, axis=1)[:, :CANDIDATES]


def _log_softmax(scores: Matrix) -> Matrix:
    shifted = scores - scores.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def _sigmoid(values: Matrix) -> Matrix:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -30, 30))))


def _softmax_loss(weights: Matrix, rows: Matrix, share: Matrix) -> tuple[float, Matrix]:
    logs = _log_softmax(rows @ weights)
    loss = -(share * logs).sum() / len(rows) + SHRINK * weights @ weights
    gap = np.exp(logs) - share
    slope = np.tensordot(gap, rows, axes=([0, 1], [0, 1])) / len(rows) + 2 * SHRINK * weights
    return float(loss), slope


def _logistic_loss(line: Matrix, scores: Matrix, wanted: Matrix) -> tuple[float, Matrix]:
    sure = np.clip(_sigmoid(line[0] * scores + line[1]), FEW, 1 - FEW)
    loss = -(wanted * np.log(sure) + (1 - wanted) * np.log(1 - sure)).mean()
    gap = sure - wanted
    return float(loss), np.array([(gap * scores).mean(), gap.mean()])


@dataclass
class Learnt:
    """A fitted placer: its coefficients, and what curators said of the papers it knows."""

    targets: Matrix
    first: Fitted
    of_kind: Fitted
    stack: Stack


def fit(square: dict[str, Matrix], near: list[Matrix], targets: Matrix, kinds: Matrix) -> Learnt:
    """Learn from n papers: their ``kernels`` against each other and ``near_risks``.

    ``targets`` (n, r) and ``kinds`` (n, k) are true where a curator said so.
    """
    wanted = targets.astype(np.float32)
    first = ridge(square, wanted)
    parts = list(first.left_out.values())
    parts += votes(square["cosine"], wanted, itself=True)
    parts += [*near, np.log(wanted.sum(0) - wanted + 0.5)]
    stack = Stack().fit(np.stack(parts, -1), targets)
    return Learnt(wanted, first, ridge(square, kinds.astype(np.float32)), stack)


def predict(
    learnt: Learnt, against: dict[str, Matrix], near: list[Matrix]
) -> tuple[Matrix, Matrix]:
    """(confidence of each risk (m, r), scores of each kind (m, k)) of m unseen papers.

    ``against`` are their kernels against the papers that were learnt from.
    """
    blends = {name: blend(against, name) for name in BLENDS}
    parts = [one @ learnt.first.coefficients[name] for name, one in blends.items()]
    parts += votes(against["cosine"], learnt.targets, itself=False)
    often = np.broadcast_to(np.log(learnt.targets.sum(0) + 0.5), parts[0].shape)
    kinds = [one @ learnt.of_kind.coefficients[name] for name, one in blends.items()]
    return learnt.stack.confidence(np.stack([*parts, *near, often], -1)), np.mean(kinds, axis=0)
