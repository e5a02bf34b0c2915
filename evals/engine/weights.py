"""Differences between two models' weights, and models with such differences added."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .language_model import LanguageModel

Moves = Mapping[str, Any]
"""Name of a weight matrix to a single-precision tensor of its shape."""


def moves(start: LanguageModel, end: LanguageModel) -> dict[str, Any]:
    """What must be added to the matrices of ``start`` that differ to come to ``end``."""
    import torch

    before = dict(start.model.named_parameters())
    found = {}
    with torch.no_grad():
        for name, after in end.model.named_parameters():
            if after.dim() == 2 and not torch.equal(after, before[name]):
                found[name] = after.float() - before[name].float()
    return found


def moved(model: LanguageModel, by: Moves, scale: float = 1.0) -> LanguageModel:
    """A copy of a model with ``scale`` times the moves added."""
    import torch

    weights = copy.deepcopy(model.model)
    parameters = dict(weights.named_parameters())
    with torch.no_grad():
        for name, move in by.items():
            matrix = parameters[name]
            matrix.copy_((matrix.float() + scale * move).to(matrix.dtype))
    return model.with_weights(weights)


def columns(move: Any, rank: int) -> Any:
    """An orthonormal basis, of shape (rows, rank), of where a move's columns mostly lie."""
    import torch

    left, _, _ = torch.linalg.svd(move, full_matrices=False)
    return left[:, :rank]


def projected(move: Any, basis: Any) -> Any:
    """The part of a move that lies in the span of a basis."""
    return basis @ (basis.T @ move)


def likeness(one: Any, other: Any) -> float:
    """The cosine between two moves; 0 where one of them is nought."""
    size = float(one.norm() * other.norm())
    return float((one * other).sum()) / size if size else 0.0
