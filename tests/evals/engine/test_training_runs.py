"""Whole runs of data-stage and pre-training mitigations at a size that proves the wiring."""

from __future__ import annotations

from typing import Any

import pytest

from evals.engine import registry, runner, scrubbers
from evals.engine.mitigations import canary_audit, dp_sgd, pii_scrubbing
from evals.engine.spec import Spec

SMALL: dict[str, dict[str, Any]] = {
    "pii-scrubbing": {"people": 24, "sentences": 200, "steps": 10, "copies": 1},
    "near-duplicate-removal": {"passages": 12, "copies": 2, "sentences": 200, "steps": 10},
    "spectral-signatures": {"n": 200, "epochs": 2, "tested": 12},
    "activation-clustering": {"n": 200, "epochs": 2, "tested": 12},
    "loss-filtering": {"n": 200, "epochs": 2, "tested": 12},
    "toxicity-filtering": {"n": 12, "steps": 10},
    "control-tokens": {"n": 12, "steps": 10},
    "safe-demonstration-augmentation": {"n": 12, "steps": 12, "tuning": 1},
    "provenance-checks": {"facts": 30, "targets": 12, "pages": 1, "steps": 10},
    "dp-sgd": {"people": 12, "copies": 1, "sentences": 200, "steps": 5},
    "canary-audit": {"people": 12, "copies": 1, "steps": 10, "every": 5},
    "goldfish-loss": {"passages": 12, "copies": 1, "steps": 10},
    "verbatim-output-filter": {"passages": 12, "copies": 1, "steps": 10},
}


QUICK = {"spectral-signatures", "goldfish-loss", "output-perturbation"}
CASES = [s if s in QUICK else pytest.param(s, marks=pytest.mark.slow) for s in SMALL]


@pytest.mark.parametrize("slug", CASES)
def test_a_run_has_every_arm_and_the_four_kinds_of_figures(
    slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {**pii_scrubbing.SCRUBS, "presidio": scrubbers.by_patterns}
    monkeypatch.setattr(pii_scrubbing, "SCRUBS", quick)
    for module in (pii_scrubbing, dp_sgd, canary_audit):
        monkeypatch.setattr(module, "DECOYS", 3)
    told: list[int] = []
    result = runner.run(Spec.create(slug, params=SMALL[slug]), lambda p: told.append(p.done))
    assert told == sorted(told)
    figures = {(metric.name, metric.arm) for metric in result.metrics}
    names = {name for name, _ in figures}
    assert {("attack-success", arm.name) for arm in result.arms} <= figures
    assert any(name.startswith("attack-success-") for name in names)
    assert {"utility", "latency"} <= names
    assert [c for c in result.comparisons if c.primary]
    assert result.samples
    assert any("seed by seed" in note for note in result.notes)
    assert all(m.low <= m.value <= m.high for m in result.metrics)


def test_the_same_specification_gives_the_same_numbers() -> None:
    spec = Spec.create("goldfish-loss", seed=3, params=SMALL["goldfish-loss"])
    first, again = ([m for m in runner.run(spec).metrics if m.unit == "share"] for _ in range(2))
    assert first == again


def test_every_training_run_is_known_to_the_registry() -> None:
    for slug in SMALL:
        found = registry.get_mitigation(slug)
        assert found.slug == slug
        assert not found.static_only
        registry.get_target(found.targets[0])
