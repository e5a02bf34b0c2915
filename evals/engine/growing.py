"""What a model remembers of a batch, with room for the words to come.

The cache of transformers copies all of itself for every new token. This one copies itself once
for ``ROOM`` tokens; the values are the same.
"""

from __future__ import annotations

from typing import Any

from transformers.cache_utils import Cache, DynamicLayer

ROOM = 32  # tokens


class GrowingLayer(DynamicLayer):
    """Keys and values as the front part of a larger tensor: (2, rows, heads, tokens, width)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.held: Any = None

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> Any:
        """Take in what new tokens add; returns the keys and values of all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old, added = self.get_seq_length(), key_states.shape[-2]
        if self.held is None or self.held.shape[-2] < old + added:
            # A prompt is read in one piece, answers grow by one token at a time.
            self._move(key_states, old, old + added + (ROOM if added == 1 else 0))
        for held, new in zip(self.held, (key_states, value_states), strict=True):
            held[:, :, old : old + added] = new
        self.keys, self.values = self.held[:, :, :, : old + added]
        return self.keys, self.values

    def _move(self, like: Any, old: int, size: int) -> None:
        rows, heads, _, width = like.shape
        held = like.new_empty(2, rows, heads, size, width)
        if old:
            held[0, :, :, :old], held[1, :, :, :old] = self.keys, self.values
        self.held = held

    def batch_select_indices(self, indices: Any) -> None:
        """Only keep these rows, in this order."""
        super().batch_select_indices(indices)
        self.held = None


def cache() -> Cache:
    """An empty one; it has as many layers as the model turns out to have."""
    return Cache(layer_class_to_replicate=GrowingLayer)
