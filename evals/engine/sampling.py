"""Sampling from a bundled model, with a hand in its logits where a mitigation wants one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .language_model import BATCH, LanguageModel

Processor = Callable[[Any, Any], Any]
"""(token ids so far, scores of the next token) to new scores, as transformers calls it."""


def sample(
    model: LanguageModel,
    prompts: Sequence[str],
    max_new_tokens: int,
    seed: int,
    temperature: float = 0.8,
    processor: Processor | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """A sampled continuation of each rendered prompt; one seed, one set of answers."""
    import torch

    torch.manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), prompts[i]))
    found: dict[int, str] = {}
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        texts = _sampled(model, [prompts[i] for i in part], max_new_tokens, temperature, processor)
        found |= dict(zip(part, texts, strict=True))
        report(len(found))
    return [found[i] for i in range(len(prompts))]


def _sampled(
    model: LanguageModel,
    prompts: Sequence[str],
    max_new_tokens: int,
    temperature: float,
    processor: Processor | None,
) -> list[str]:
    import torch

    from .growing import cache

    model.tokenizer.padding_side = "left"
    encoded = model.tokenizer(
        list(prompts), return_tensors="pt", padding=True, add_special_tokens=False
    )
    with torch.inference_mode():
        out = model.model.generate(
            **encoded,
            cache=cache(),
            max_new_tokens=max_new_tokens,
            do_sample=True,
            temperature=temperature,
            logits_processor=[processor] if processor else [],
            pad_token_id=model.tokenizer.pad_token_id,
        )
    new = out[:, encoded["input_ids"].shape[1] :]
    return [text.strip() for text in model.tokenizer.batch_decode(new, skip_special_tokens=True)]


def next_tokens(model: LanguageModel, ids: Sequence[int], count: int = 2) -> list[list[int]]:
    """After each token of a text, the ``count`` likeliest next ones, likeliest first."""
    import torch

    with torch.inference_mode():
        logits = model.model(input_ids=torch.tensor([list(ids)])).logits[0]
    found: list[list[int]] = logits.topk(count, dim=1).indices.tolist()
    return found
