"""Decoding in batches that share beginnings: the same answers as transformers' own, one by one."""

from __future__ import annotations

import pytest

from evals.engine import decoding, growing
from evals.engine.decoding import Stem
from evals.engine.language_model import LanguageModel
from tests.tiny import tiny_model

PROMPTS = [
    *(f"Read this page about the sea and the tide. {end}" for end in ("Now.", "Why?", "Say it.")),
    *(f"Short {n}" for n in range(3)),
    "Read this page about the sea and the tide.",
    "A prompt that is like no other, and longer than all of them by some way, as it happens.",
]


def alone(model: LanguageModel, text: str, count: int) -> str:
    """What transformers' generate answers to one prompt."""
    chat = model.render([{"role": "user", "content": text}])
    encoded = model._encode([chat], side="left")
    out = model.model.generate(
        **encoded, max_new_tokens=count, do_sample=False, pad_token_id=model.tokenizer.pad_token_id
    )
    new = out[:, encoded["input_ids"].shape[1] :]
    return str(model.tokenizer.batch_decode(new, skip_special_tokens=True)[0].strip())


@pytest.mark.parametrize("size", [1, 3, 32])
def test_answers_are_those_of_each_prompt_alone(size: int) -> None:
    model = tiny_model(3)
    said = model.answers(PROMPTS, 12, batch=size)
    assert said == [alone(model, text, 12) for text in PROMPTS]
    assert len(set(said)) > 2


def test_the_cache_grows_when_its_room_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "ROOM", 4)
    model = tiny_model(3)
    assert model.answers(PROMPTS, 20) == [alone(model, text, 20) for text in PROMPTS]


def test_rows_that_end_leave_the_batch_and_change_nothing() -> None:
    model = tiny_model(3)
    rows = model._rows([model.render([{"role": "user", "content": text}]) for text in PROMPTS])
    whole = decoding.answers(model.model, decoding.stems(rows), 12, 0)
    ending = whole[max(rows)][3]
    model.model.generation_config.eos_token_id = [ending]
    cut = decoding.answers(model.model, decoding.stems(rows), 12, 0)
    for row, new in whole.items():
        assert cut[row] == (new[: new.index(ending)] if ending in new else new)
    assert 0 < sum(cut[row] != whole[row] for row in rows) < len(rows)


def test_equal_prompts_are_answered_once_and_none_is_lost() -> None:
    told: list[int] = []
    model = tiny_model()
    said = model.answers(["One", "Two", "One"], 4, report=told.append)
    assert said[0] == said[2]
    assert told[-1] == 3
    assert model.answers([], 4) == []


def test_stems_are_what_saves_most() -> None:
    rows = [(1, 2, 3, 4, 5), (1, 2, 3, 4, 6), (1, 9), (1, 2, 3, 4, 5, 7)]
    found = decoding.stems(rows)
    assert found[0] == Stem((1, 2, 3, 4), ((1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 7), (1, 2, 3, 4, 6)))
    assert found[1] == Stem((1,), ((1, 9),))


def test_batches_hold_every_row_once_in_an_order_that_the_rows_decide() -> None:
    rows = [(1, 2, *range(10, 10 + n % 7), n) for n in range(50)]
    made = list(decoding.batches(rows, 8))
    assert sorted(row for batch in made for stem in batch for row in stem.rows) == sorted(rows)
    assert all(sum(len(stem.rows) for stem in batch) <= 8 for batch in made)
    assert made == list(decoding.batches(rows[::-1], 8))


def test_long_prompts_come_in_smaller_batches() -> None:
    rows = [(1, n, *range(5000)) for n in range(6)]
    assert [len(batch) for batch in decoding.batches(rows, 8)] == [2, 2, 2]
