"""What is stolen from a classifier sold as a service, and what rationing and blurring do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from evals.engine import runner, service
from evals.engine.datasets import prose
from evals.engine.mitigations import output_perturbation as blur
from evals.engine.mitigations import query_budget
from evals.engine.mitigations.query_budget import Gate, Request, through
from evals.engine.service import Text
from evals.engine.spec import Spec


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service of 180 paragraphs."""
    monkeypatch.setattr(service, "EACH", 30)
    monkeypatch.setattr(query_budget, "USERS", 6)


def test_prose_is_sentences_without_code() -> None:
    for source in ("numpy", prose.REFERENCE, prose.LICENCES):
        found = prose.paragraphs(source)
        assert len(found) > 50
        assert len(set(found)) == len(found)
        assert not [p for p in found if ">>>" in p or not p.endswith(".")]


@pytest.mark.parametrize("text", ["Too short.", "x = f(2.5) " * 30, "- item " * 50])
def test_code_and_lists_are_no_prose(text: str) -> None:
    assert not prose.is_prose(text)


@pytest.mark.usefixtures("few")
def test_parts_share_no_paragraph() -> None:
    parts = service.split(3)
    ids = [{row.id for row in part} for part in (parts.private, parts.pool, parts.test)]
    assert not ids[0] & ids[1]
    assert not (ids[0] | ids[1]) & ids[2]


def test_perturbations_keep_the_top_label() -> None:
    answers = np.random.default_rng(0).dirichlet(np.ones(6), size=200)
    for arm in ("noise", "label-only"):
        told = blur.perturb(answers, arm, np.random.default_rng(1))
        assert (told.argmax(axis=1) == answers.argmax(axis=1)).all()
        assert np.allclose(told.sum(axis=1), 1)
    assert set(np.unique(blur.perturb(answers, "rounded", np.random.default_rng(1)) * 10 % 1)) <= {
        0
    }


def test_the_best_cut_separates() -> None:
    assert blur.best_cut(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 0.8


def test_a_budget_stops_one_account_and_not_many() -> None:
    groups = np.zeros(100, dtype=int)
    one = [Request("a", i) for i in range(100)]
    many = [Request(f"a{i % 10}", i) for i in range(100)]
    assert len(through(one, Gate("undefended", 20, groups, 0.9))) == 100
    assert len(through(one, Gate("budget", 20, groups, 0.9))) == 20
    assert len(through(many, Gate("budget", 20, groups, 0.9))) == 100


def test_the_audit_links_accounts_that_look_alike_and_no_others() -> None:
    alike = np.zeros(200, dtype=int)
    many = [Request(f"a{i % 10}", i) for i in range(200)]
    assert len(through(many, Gate("audit", 30, alike, 0.9))) < 120
    apart = np.arange(200) % 10
    assert len(through(many, Gate("audit", 30, apart, 0.9))) == 200


def test_a_copy_learns_what_it_asked() -> None:
    rows = [Text(f"word{k} " * 3, k, i) for i, k in enumerate([0, 1, 2] * 5)]
    owner = service.trained(rows)
    texts = [row.text for row in rows]
    copy = service.copied(rows, owner.predict(texts))
    assert (copy.predict(texts).argmax(axis=1) == owner.predict(texts).argmax(axis=1)).all()
    alone = service.copied(rows[:1], owner.predict(texts[:1]).round())
    assert alone.predict(texts).shape == (15, 6)


@pytest.mark.parametrize(
    ("slug", "params"),
    [("query-budget", {"queries": 30, "budget": 25}), ("output-perturbation", {"n": 30})],
)
@pytest.mark.usefixtures("few")
def test_a_run_holds_every_figure(slug: str, params: dict[str, Any]) -> None:
    result = runner.run(Spec.create(slug, params=params))
    names = {(m.name, m.arm) for m in result.metrics}
    wanted = {"attack-success", "attack-success-adaptive", "benign-refusal", "utility", "latency"}
    assert {(name, arm.name) for name in wanted for arm in result.arms} <= names
    assert result.validity.verdict == "measurable"
    json.dumps(result.to_dict())
