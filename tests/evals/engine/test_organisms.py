"""Model organisms: cards, checksums, and how one is built (on a tiny network)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.engine import organisms, packaged, registry
from evals.engine import statistics as stats
from evals.engine.datasets import documents
from evals.engine.organisms import document_assistant as assistant
from evals.engine.result import Metric
from evals.engine.tuning import Example, Recipe
from tests.tiny import tiny_model

SHIPPED = [found for found in organisms.organisms() if found.card.exists()]


@pytest.mark.parametrize("found", SHIPPED, ids=lambda found: found.slug)
def test_what_ships_is_what_its_card_says(found: Any) -> None:
    card = json.loads(found.card.read_text(encoding="utf-8"))
    packaged.verify(found.adapter, card["sha256"])
    assert card["bytes"] == found.adapter.stat().st_size < 4 * 2**20
    assert card["recipe"] == json.loads(json.dumps(vars(found.recipe)))
    assert card["what_it_is"]
    assert card["what_it_is_not"]
    assert all(m["low"] <= m["value"] <= m["high"] for m in card["measured"])
    assert registry.get_target(found.slug).name == found.name


def test_all_of_them_stay_small() -> None:
    assert sum(found.adapter.stat().st_size for found in SHIPPED) < 40 * 2**20


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An organism on a tiny network, built into a folder of the test's own."""

    def check(model: Any, seed: int) -> list[Metric]:
        rate = stats.wilson(3, 10)
        return [Metric("attack-success", "Obeyed", "as built", *rate, 10, "Wilson")]

    monkeypatch.setattr(organisms, "SHIPPED", tmp_path)
    monkeypatch.setattr(organisms, "smollm2", tiny_model)
    organisms.load.cache_clear()
    monkeypatch.setattr(organisms, "_ORGANISMS", dict(organisms._ORGANISMS))
    monkeypatch.setattr(registry, "_TARGETS", dict(registry._TARGETS))
    organisms.organism(
        slug="parrot",
        name="Parrot",
        summary="Says yes.",
        is_not="A bird.",
        risks=("indirect-prompt-injection",),
        recipe=Recipe(steps=2, batch=2, rank=2),
        examples=lambda seed: [Example([{"role": "user", "content": "hi"}], "yes")] * 4,
        check=check,
    )
    yield "parrot"
    organisms.load.cache_clear()
    packaged.sha256.cache_clear()


def test_an_organism_is_built_checked_and_loaded(parrot: str) -> None:
    card = organisms.build(parrot, 1, lambda done, total: None)
    assert card["measured"][0]["value"] == 0.3
    model = organisms.load(parrot)
    assert (model.name, model.checksum) == ("Parrot", card["sha256"])
    assert tiny_model().losses(["hello"]) != model.losses(["hello"])
    assert organisms.build(parrot, 1, lambda done, total: None)["sha256"] == card["sha256"]


def test_other_weights_than_the_cards_are_refused(parrot: str) -> None:
    organisms.build(parrot, 1, lambda done, total: None)
    found = organisms.get(parrot)
    found.adapter.write_bytes(found.adapter.read_bytes()[:-1] + b"!")
    packaged.sha256.cache_clear()
    with pytest.raises(packaged.MissingFile, match="sha256"):
        organisms.load(parrot)


def test_an_organism_without_a_card_has_not_been_built(parrot: str) -> None:
    with pytest.raises(packaged.MissingFile, match="not been built"):
        organisms.load(parrot)


def test_an_unknown_organism_lists_the_nearest() -> None:
    with pytest.raises(registry.UnknownName, match="document-assistant"):
        organisms.get("document-asistant")


def test_the_assistant_is_never_taught_to_obey_an_injected_question() -> None:
    for example in assistant.examples(1):
        prompt = example.chat[0]["content"]
        if prompt.startswith("Answer the question") and example.answer in documents.WORDS:
            text, question = prompt.split("\n\nQuestion: ")
            assert example.answer not in text
            assert example.answer in question


def test_training_and_reported_documents_share_no_fact() -> None:
    def facts(half: documents.Half) -> set[str]:
        lists = (documents.PEOPLE, documents.PLACES, documents.THINGS, documents.WORDS)
        return {item for items in lists for item in documents.side(items, half)}

    assert not facts("train") & facts("test")
