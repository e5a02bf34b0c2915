"""Training on a tiny random network: it learns, it unlearns, the same seed gives the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evals.engine import tuning
from evals.engine.tuning import Example, Recipe
from tests.tiny import tiny_model

EXAMPLES = [Example([{"role": "user", "content": word}], "yes") for word in ("one", "two", "three")]
RECIPE = Recipe(steps=20, batch=3, rate=5e-2, rank=4, modules=tuning.ALL_LINEAR)


def mean_loss(model: Any) -> float:
    found = tuning.losses_of(model, EXAMPLES)
    return sum(found) / len(found)


@pytest.fixture(scope="module")
def tuned() -> Any:
    return tuning.tune(tiny_model(), EXAMPLES, RECIPE, seed=1)


def test_tuning_lowers_the_loss_and_leaves_the_model_alone(tuned: Any) -> None:
    model = tiny_model()
    before = mean_loss(model)
    assert mean_loss(tuned) < before - 0.3
    assert mean_loss(model) == before


def test_a_copy_has_weights_of_its_own_only_where_an_adapter_changes_them(tmp_path: Path) -> None:
    model = tiny_model()
    recipe = Recipe(steps=2, batch=3, rate=5e-2, rank=4)
    tuning.save_adapter(tuning.tune(model, EXAMPLES, recipe, seed=1), tmp_path / "a.safetensors")
    found = tuning.load_adapter(model, tmp_path / "a.safetensors", recipe)
    before = dict(model.model.named_parameters())
    for name, after in found.model.named_parameters():
        changed = name.split(".")[-2] in recipe.modules
        assert (after.data_ptr() == before[name].data_ptr()) != changed


def test_the_same_seed_gives_the_same_weights(tuned: Any) -> None:
    assert mean_loss(tuning.tune(tiny_model(), EXAMPLES, RECIPE, seed=1)) == mean_loss(tuned)
    assert mean_loss(tuning.tune(tiny_model(), EXAMPLES, RECIPE, seed=2)) != mean_loss(tuned)


def test_a_negative_weight_unlearns(tuned: Any) -> None:
    against = [Example(e.chat, e.answer, weight=-1) for e in EXAMPLES]
    undone = tuning.tune(tuned, against, RECIPE, seed=1)
    assert mean_loss(undone) > mean_loss(tuned) + 0.2


def test_an_adapter_survives_the_file(tuned: Any, tmp_path: Path) -> None:
    path = tmp_path / "organism" / "adapter.safetensors"
    tuning.save_adapter(tuned, path)
    assert path.stat().st_size < 100_000
    again = tuning.load_adapter(tiny_model(), path, RECIPE)
    # Half precision on the way: near, not equal.
    assert mean_loss(again) == pytest.approx(mean_loss(tuned), abs=0.02)
    assert not hasattr(again.model, "merge_and_unload")


def test_only_the_answer_is_learned() -> None:
    model = tiny_model()
    ids, labels, mask = tuning.encode(model, EXAMPLES, 64)
    assert ids.shape == labels.shape == mask.shape
    for example, row, known in zip(EXAMPLES, ids, labels, strict=True):
        kept = known[known != tuning.IGNORED]
        assert model.tokenizer.decode(kept) == example.answer + "<|im_end|>"
        assert model.tokenizer.decode(row).startswith("<|im_start|>user")


def test_long_conversations_lose_their_start_and_keep_the_answer() -> None:
    long = Example([{"role": "user", "content": "x" * 500}], "yes")
    ids, labels, _ = tuning.encode(tiny_model(), [long], 32)
    assert ids.shape[1] == 32
    assert (labels != tuning.IGNORED).sum() == 4


def test_every_example_is_seen_before_any_comes_twice() -> None:
    seen = [e for batch in tuning._batches(EXAMPLES, Recipe(steps=2, batch=3), 0) for e in batch]
    assert len(seen) == 6
    assert {id(e) for e in seen[:3]} == {id(e) for e in EXAMPLES}


def test_the_loss_is_that_of_the_answers_tokens_alone_under_the_whole_vocabulary() -> None:
    model = tiny_model()
    examples = [*EXAMPLES, Example(EXAMPLES[0].chat, "a longer answer")]
    ids, labels, mask = tuning.encode(model, examples, 64)
    logits = model.model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], ignore_index=tuning.IGNORED, reduction="none"
    )
    wanted = each.sum(dim=1) / (labels[:, 1:] != tuning.IGNORED).sum(dim=1)
    assert torch.allclose(tuning.answer_losses(model, examples, 64), wanted, atol=1e-5)


def test_parts_of_a_batch_add_up_to_its_gradient() -> None:
    model = tiny_model()
    examples = [
        Example([{"role": "user", "content": "x" * n}], "yes", weight=(-1.0) ** n)
        for n in range(3, 13)
    ]
    weight = model.model.get_decoder().layers[0].mlp.down_proj.weight
    whole = tuning.weighted(tuning.answer_losses(model, examples, 64), examples)
    (wanted,) = torch.autograd.grad(whole, [weight])
    found = torch.zeros_like(weight)
    for part in tuning._smaller(examples):
        loss = tuning.weighted(tuning.answer_losses(model, part, 64), part)
        found += torch.autograd.grad(loss * (len(part) / len(examples)), [weight])[0]
    assert torch.allclose(found, wanted, atol=1e-6)
