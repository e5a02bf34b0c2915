"""The one door to training: low-rank adapters on a small language model.

LoRA (Hu et al. 2021, arXiv:2106.09685) by peft, with AdamW. The base stays in its precision,
the adapter is trained in single precision. A seed decides the order of the examples and the
adapter's first values, and so, on one kind of processor, every number.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .language_model import Chat, LanguageModel

ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
IGNORED = -100
AT_ONCE = 4  # examples in a forward pass of training


@dataclass(frozen=True)
class Example:
    """A conversation and the answer to learn; a negative weight unlearns it."""

    chat: Chat
    answer: str
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """How to train. ``rate`` is the peak learning rate; it warms up over a tenth of the steps."""

    steps: int
    batch: int = 8
    rate: float = 5e-4
    rank: int = 8
    modules: tuple[str, ...] = ATTENTION
    max_tokens: int = 256


Objective = Callable[[Any, Sequence[Example]], Any]
"""(mean negative log-likelihood of each answer, its examples) to the loss to lower, a mean."""


def weighted(losses: Any, examples: Sequence[Example]) -> Any:
    """The mean of the losses under the examples' weights; gradient ascent where negative."""
    weights = losses.new_tensor([example.weight for example in examples])
    return (losses * weights).mean()


def tune(
    model: LanguageModel,
    examples: Sequence[Example],
    recipe: Recipe,
    seed: int,
    report: Callable[[int, int], None] = lambda done, total: None,
    objective: Objective = weighted,
) -> LanguageModel:
    """A copy of ``model`` with a new adapter trained on ``examples``; the model stays as it is.

    The copy shares the weights that the adapter leaves alone; ``merged`` makes one that does not.
    """
    import torch

    _tidy()
    torch.manual_seed(seed)
    tuned = _with_adapter(model, recipe)
    learned = [p for p in tuned.model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=recipe.rate, weight_decay=0.0)
    tuned.model.train()
    _attend(tuned, "eager")  # whose backward pass takes a third of the time of the other's here
    for step, batch in enumerate(_batches(examples, recipe, seed)):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1.0, (step + 1) / max(1.0, recipe.steps / 10))
        for part in _smaller(batch):
            losses = answer_losses(tuned, part, recipe.max_tokens)
            (objective(losses, part) * (len(part) / len(batch))).backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        report(step + 1, recipe.steps)
    tuned.model.eval()
    _attend(tuned, "sdpa")
    return tuned


def _tidy() -> None:
    """Give back what models of before left behind: training takes the most memory of a run."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim:
        trim(0)


def _attend(model: LanguageModel, way: str) -> None:
    model.model.get_base_model().set_attn_implementation(way)


def _with_adapter(model: LanguageModel, recipe: Recipe) -> LanguageModel:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=0.0,
        target_modules=list(recipe.modules),
        task_type="CAUSAL_LM",
    )
    return model.with_weights(get_peft_model(_apart(model, recipe.modules), config))


def _apart(model: LanguageModel, modules: tuple[str, ...]) -> Any:
    """A copy of the network with weights of its own in ``modules``; it shares all others.

    An adapter changes no others, and they are most of the memory that a copy would take.
    """
    if hasattr(model.model, "merge_and_unload"):
        return merged(model).model
    named = model.model.named_parameters()
    shared = {id(w): w for name, w in named if name.split(".")[-2] not in modules}
    return copy.deepcopy(model.model, shared)


def merged(model: LanguageModel) -> LanguageModel:
    """A copy of a model, its adapter (if it has one) added into the weights."""
    weights = copy.deepcopy(model.model)
    if hasattr(weights, "merge_and_unload"):
        weights = weights.merge_and_unload()
    return model.with_weights(weights)


def _batches(examples: Sequence[Example], recipe: Recipe, seed: int) -> Iterator[Sequence[Example]]:
    """``recipe.steps`` batches: shuffled passes over the examples, one after another."""
    import numpy as np

    rng = np.random.default_rng(seed)
    passes = math.ceil(recipe.steps * recipe.batch / len(examples))
    order = [int(i) for _ in range(passes) for i in rng.permutation(len(examples))]
    for start in range(0, recipe.steps * recipe.batch, recipe.batch):
        yield [examples[i] for i in order[start : start + recipe.batch]]


def _smaller(batch: Sequence[Example]) -> Iterator[Sequence[Example]]:
    """Parts of a batch whose gradients add up to its own: short with short, in less memory."""
    order = sorted(batch, key=_length)
    for start in range(0, len(order), AT_ONCE):
        yield order[start : start + AT_ONCE]


def _length(example: Example) -> int:
    return len(example.answer) + sum(len(turn["content"]) for turn in example.chat)


def answer_losses(model: LanguageModel, examples: Sequence[Example], max_tokens: int) -> Any:
    """Mean negative log-likelihood (nats a token) of each answer; a tensor with gradient."""
    import torch

    ids, labels, mask = encode(model, examples, max_tokens)
    wanted, network = labels[:, 1:], model.model
    states = network.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False)
    # Logits of the whole vocabulary are large, and only those of the answers are needed.
    rows, places = (wanted != IGNORED).nonzero(as_tuple=True)
    logits = network.get_output_embeddings()(states.last_hidden_state[rows, places]).float()
    nll = torch.nn.functional.cross_entropy(logits, wanted[rows, places], reduction="none")
    total = nll.new_zeros(len(ids)).index_add(0, rows, nll)
    return total / rows.bincount(minlength=len(ids)).clamp(min=1)


def encode(model: LanguageModel, examples: Sequence[Example], max_tokens: int) -> Any:
    """Token ids, labels (the answer alone) and mask, each of shape (examples, length)."""
    import torch

    tokenizer, rows = model.tokenizer, []
    for example in examples:
        before = tokenizer(model.render(example.chat), add_special_tokens=False)["input_ids"]
        after = tokenizer(example.answer, add_special_tokens=False)["input_ids"]
        after = [*after[: max_tokens - 1], tokenizer.eos_token_id]
        before = before[-(max_tokens - len(after)) :]
        rows.append((before + after, [IGNORED] * len(before) + after))
    width = max(len(ids) for ids, _ in rows)
    pad = tokenizer.pad_token_id
    ids = torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows])
    labels = torch.tensor([found + [IGNORED] * (width - len(found)) for _, found in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows])
    return ids, labels, mask


def losses_of(model: LanguageModel, examples: Sequence[Example], batch: int = 32) -> list[float]:
    """Mean negative log-likelihood of each answer, without gradient."""
    import torch

    found: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(examples), batch):
            found += answer_losses(model, examples[start : start + batch], 512).tolist()
    return found


def save_adapter(model: LanguageModel, path: Path) -> None:
    """Write the adapter alone, in half precision, as safetensors."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    state = get_peft_model_state_dict(model.model)
    half = {name: value.to(torch.float16).contiguous() for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(half, path)


def load_adapter(model: LanguageModel, path: Path, recipe: Recipe) -> LanguageModel:
    """A copy of ``model`` with the adapter of ``path`` added into the weights that it changes.

    The other weights are shared with ``model``: copy the whole before changing them in place.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    found = _with_adapter(model, recipe)
    state = {name: value.float() for name, value in load_file(path).items()}
    set_peft_model_state_dict(found.model, state)
    return model.with_weights(found.model.merge_and_unload())
