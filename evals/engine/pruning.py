"""Pruning of feed-forward neurons that clean prompts leave asleep."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from .hidden import layers
from .language_model import BATCH, Chat, LanguageModel


def activity(model: LanguageModel, chats: Sequence[Chat]) -> list[Any]:
    """For each layer, the mean size of every neuron's activation over the prompts' tokens."""
    import torch

    sums: list[Any] = [0.0] * len(layers(model))
    tokens, handles = [0], []

    def watch(place: int) -> Any:
        def see(module: Any, given: Any) -> None:
            seen = given[0].float().abs() * mask[0][:, :, None]
            sums[place] = sums[place] + seen.sum(dim=(0, 1))

        return see

    mask: list[Any] = [None]
    for place, layer in enumerate(layers(model)):
        handles.append(layer.mlp.down_proj.register_forward_pre_hook(watch(place)))
    try:
        for start in range(0, len(chats), BATCH):
            texts = [model.render(chat) for chat in chats[start : start + BATCH]]
            encoded = model._encode(texts, side="right")
            mask[0] = encoded["attention_mask"].float()
            tokens[0] += int(mask[0].sum())
            with torch.inference_mode():
                model.model.get_decoder()(**encoded, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return [total / max(1, tokens[0]) for total in sums]


def pruned(model: LanguageModel, active: Sequence[Any], share: float) -> LanguageModel:
    """A copy without that share of each layer's least active neurons."""
    import torch

    found = model.with_weights(copy.deepcopy(model.model))
    with torch.no_grad():
        for layer, seen in zip(layers(found), active, strict=True):
            asleep = torch.argsort(seen, stable=True)[: int(share * len(seen))]
            layer.mlp.down_proj.weight[:, asleep] = 0.0
    return found
