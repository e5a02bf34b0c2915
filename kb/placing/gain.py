"""What placing a paper can be expected to add to the coverage, in the order of the queue."""

from __future__ import annotations

from typing import Any

import numpy as np

from .decisions import SURE, TICKED

Matrix = np.ndarray[Any, Any]
# So many offers are weighed one after another; those behind them by what is left then. The
# worker learns anew every ten minutes, in which nobody places more.
TURNS = 500


def in_turn(sure: Matrix, curated: Matrix, stages: Matrix) -> Matrix:
    """The gain of each of n offers when the best is always taken first, shape (n,).

    ``sure`` (n, r) is the confidence in every risk; ``curated`` (r,) counts curated papers by
    risk, ``stages`` (r,) numbers the stage of each risk. A ticked risk counts by the confidence
    in it, times how much scarcer than usual curated papers are there and in its stage. What is
    not ticked does not count: a paper about something else is spread thinly over all risks, and
    many small chances of scarce ones would put it before what is certain. Each offer taken
    makes its risks less scarce, so the queue does not stay with one topic.
    """
    ticked, weights = _ticked(sure)
    own = curated.astype(float)
    of_stage = np.bincount(stages, own)
    usual, usual_stage = own.mean(), of_stage.mean()
    gains, waiting = np.zeros(len(sure)), np.ones(len(sure), dtype=bool)
    for turn in range(min(TURNS, len(sure)) + 1):
        scarce = usual / (1 + own) + usual_stage / (1 + of_stage[stages])
        worth = (weights * scarce[ticked]).sum(1)
        if turn == TURNS:
            gains[waiting] = worth[waiting]
        if not waiting.any():
            break
        best = int(np.where(waiting, worth, -1).argmax())
        gains[best], waiting[best] = worth[best], False
        np.add.at(own, ticked[best], weights[best])
        np.add.at(of_stage, stages[ticked[best]], weights[best])
    return gains


def _ticked(sure: Matrix) -> tuple[Matrix, Matrix]:
    """(columns (n, t), confidence in each, nought where it is not ticked)."""
    columns = np.argsort(-sure, axis=1)[:, :TICKED]
    weights = np.take_along_axis(sure, columns, 1)
    kept = weights >= SURE
    kept[:, 0] = True
    return columns, weights * kept
