"""Tiny models: their words, their training, and what they remember."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.engine import memorising, tiny, tiny_classifier, tiny_private
from evals.engine.datasets import everyday, passages, personal
from evals.engine.tiny import Recipe, Vocabulary

SMALL = Recipe(steps=120, batch=16, width=32, layers=1, length=24)
TEXTS = ["the red fox ran home.", "a blue owl sat still.", "one 42 two."]


@pytest.fixture(scope="module")
def model() -> tiny.TinyModel:
    return tiny.train(TEXTS, Vocabulary(TEXTS), SMALL, 3)


def test_words_are_words_tags_digits_and_signs() -> None:
    assert tiny.words("Call <PHONE> at 42-1!") == ["Call", "<PHONE>", "at", "4", "2", "-", "1", "!"]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_known_words_come_back(text: str) -> None:
    vocabulary = Vocabulary([text])
    assert vocabulary.decode(vocabulary.encode(text)[1:]) == tiny.normal(text)


def test_unknown_words_share_a_number() -> None:
    vocabulary = Vocabulary(["a"])
    assert vocabulary.encode("a b c")[1:] == [4, tiny.UNKNOWN, tiny.UNKNOWN]


def test_a_model_learns_its_texts_by_heart(model: tiny.TinyModel) -> None:
    assert model.complete(["the red", "a blue owl"], 6) == ["fox ran home .", "sat still ."]
    assert max(max(row) for row in model.losses(["a blue owl sat still."])) < 2


def test_the_same_seed_gives_the_same_model(model: tiny.TinyModel) -> None:
    again = tiny.train(TEXTS, Vocabulary(TEXTS), SMALL, 3)
    other = tiny.train(TEXTS, Vocabulary(TEXTS), SMALL, 4)
    assert again.digest() == model.digest() != other.digest()


def test_a_barred_word_is_not_said(model: tiny.TinyModel) -> None:
    fox = model.vocabulary.encode("fox")[1]
    said = model.complete(["the red"], 4, banned=lambda asked, said: {fox})[0]
    assert "fox" not in said


def test_training_ends_when_told(model: tiny.TinyModel) -> None:
    seen: list[int] = []
    tiny.train(
        TEXTS, model.vocabulary, SMALL, 0, lambda step, m: bool(seen.append(step)) or step == 3
    )
    assert seen == [0, 1, 2, 3]


def test_goldfish_leaves_out_the_same_tokens_of_every_copy() -> None:
    text = passages.passages(1, 0)[0].text
    vocabulary = Vocabulary([text, f"one more word {text}"])
    data = tiny.encode([text, text], vocabulary, 40)
    wanted = tiny.targets(data, 0.5)
    assert (wanted[0] == wanted[1]).all()
    assert 3 <= int((wanted[0] == tiny.IGNORED).sum()) <= 18
    assert (tiny.targets(data, 1.0) == data).all()


def test_a_secret_in_the_corpus_is_extracted_and_ranked_first() -> None:
    secret = personal.secrets(1, 0)[0]
    texts = [secret.text] * 4 + everyday.sentences(6, 0)
    decoys = [secret.with_value(value) for value in personal.decoys(secret, 20, 0)]
    model = tiny.train(texts, Vocabulary([*texts, *decoys]), SMALL, 0)
    assert memorising.extracted(model, [secret.prefix], [secret.value]) == [True]
    assert memorising.ranks(model, [secret.text], [decoys]) == [0.0]
    assert memorising.ranks(model, [decoys[0]], [[secret.text]]) == [1.0]
    assert np.mean(memorising.membership(model, texts[4:], everyday.sentences(6, 1))) > 0.8


def test_odd_forms_say_the_same_otherwise() -> None:
    assert personal.spelled("042") == "zero four two"
    for secret in personal.secrets(12, 0):
        assert secret.prefix in secret.text
        assert secret.odd is not any(sign in secret.value for sign in "@-")


def test_noise_spends_epsilon_and_none_promises_nothing() -> None:
    texts = everyday.sentences(64, 0)
    spent = []
    for noise in (0.0, 1.0, 4.0):
        model = tiny.new(Vocabulary(texts), SMALL, 0)
        recipe = Recipe(steps=3, batch=16)
        spent.append(
            tiny_private.fit(model, texts, recipe, noise=noise, clip=1, delta=0.01, seed=0)
        )
        assert len(model.complete(["The"], 3)) > 0
    assert spent[0] == float("inf")
    assert 0 < spent[2] < spent[1] < float("inf")


def test_a_classifier_learns_and_its_gradients_have_their_shape() -> None:
    texts, labels = ["good warm", "bad cold"] * 8, [1, 0] * 8
    model = tiny_classifier.train(texts, labels, Vocabulary(texts), 20, 0)
    assert model.predict(["good", "cold"]) == [1, 0]
    assert model.hidden(texts).shape == (16, tiny_classifier.HIDDEN)
    assert model.gradients(texts, labels).shape == (16, 2 * (tiny_classifier.HIDDEN + 1))
    assert max(model.losses(texts, labels)) < 0.5
