"""Hidden states of a bundled model: read them, and add a vector to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .language_model import Chat, LanguageModel

BATCH = 32


def layers(model: LanguageModel) -> Any:
    """The decoder layers, in order."""
    return model.model.get_decoder().layers


def middle(model: LanguageModel) -> int:
    """The layer halfway up."""
    return len(layers(model)) // 2


def states(model: LanguageModel, chats: Sequence[Chat], layer: int, pool: str) -> np.ndarray:
    """What ``layer`` gives for each conversation, of shape (chats, width).

    ``pool`` is ``last`` (the token before the answer) or ``mean`` (over all tokens).
    """
    rows = [
        _pooled(model, [model.render(chat) for chat in chats[start : start + BATCH]], layer, pool)
        for start in range(0, len(chats), BATCH)
    ]
    return np.concatenate(rows)


def _pooled(model: LanguageModel, texts: Sequence[str], layer: int, pool: str) -> np.ndarray:
    import torch

    encoded, seen = model._encode(texts, side="left"), []

    def see(module: Any, given: Any, out: Any) -> None:
        seen.append(out[0] if isinstance(out, tuple) else out)

    # A hook of ours sees what a steered layer gives; the library's record is made before that.
    handle = layers(model)[layer].register_forward_hook(see)
    try:
        with torch.inference_mode():
            model.model.get_decoder()(**encoded, use_cache=False)
    finally:
        handle.remove()
    found = seen[0].float()
    if pool == "last":
        return np.asarray(found[:, -1].numpy())
    mask = encoded["attention_mask"][:, :, None].float()
    return np.asarray(((found * mask).sum(dim=1) / mask.sum(dim=1)).numpy())


def steered(model: LanguageModel, layer: int, vector: np.ndarray) -> LanguageModel:
    """A copy of a model whose ``layer`` adds ``vector`` to every token's state."""
    import copy

    import torch

    found = model.with_weights(copy.deepcopy(model.model))
    added = torch.tensor(vector, dtype=found.model.dtype)

    def add(module: Any, given: Any, out: Any) -> Any:
        if isinstance(out, tuple):
            return (out[0] + added, *out[1:])
        return out + added

    layers(found)[layer].register_forward_hook(add)
    return found
