"""Query budget and audit: how good a copy can be made of a service with few queries?

Every account has a budget. The audit also links accounts whose queries are spread over the
same topics, and lets linked accounts share one budget. The attacker asks at random; spends the
budget where its copy doubts (active learning); opens many accounts; and, knowing the audit,
gives each account a topic of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from evals.engine import datasets, provenance, seed_notes, service
from evals.engine.params import Param
from evals.engine.registry import mitigation
from evals.engine.result import Arm, Progress, Result
from evals.engine.service import Classifier, Split, Text
from evals.engine.sheet import Measure, Roles, Sheet, finish
from evals.engine.spec import Spec
from evals.engine.trial import Report

ARMS = (
    Arm("undefended", "No limit"),
    Arm("budget", "A budget for each account"),
    Arm("audit", "Budget, alike accounts share one"),
)
PRIMARY = "budget"
TOPICS = 12
LEAST = 8  # queries before an account is compared with others
USERS = 30
TIMED = 30
MEASURES = (
    Measure("attack-success", "A copy agrees: one account, random queries", "lower"),
    Measure("attack-success-active", "A copy agrees: one account, active learning", "lower"),
    Measure("attack-success-sybil", "A copy agrees: many accounts", "lower"),
    Measure("attack-success-adaptive", "A copy agrees: many accounts, a topic each", "lower"),
    Measure("benign-refusal", "Honest requests refused", "lower"),
    Measure("utility", "Honest requests labelled right", "higher"),
    Measure("latency", "Time for one answer (median)", "lower", unit="ms"),
)


@dataclass(frozen=True)
class Request:
    """One query: who asks for which text of the pool (its place there)."""

    account: str
    place: int


class Gate:
    """Lets requests through while their account, or its group, has budget left."""

    def __init__(self, arm: str, budget: int, groups: np.ndarray, alike: float) -> None:
        self.arm, self.budget, self.groups, self.alike = arm, budget, groups, alike
        self._spread: dict[str, np.ndarray] = {}

    def admits(self, request: Request) -> bool:
        """Whether this request is answered; it is then counted."""
        spread = self._spread.setdefault(request.account, np.zeros(self.groups.max() + 1))
        if self.arm != "undefended" and self._used(request.account) >= self.budget:
            return False
        spread[self.groups[request.place]] += 1
        return True

    def _used(self, account: str) -> float:
        """What the account has asked, and under the audit what accounts like it have too."""
        own = self._spread[account]
        if self.arm != "audit" or own.sum() < LEAST:
            return float(own.sum())
        others = [row for row in self._spread.values() if row.sum() >= LEAST]
        return float(sum(row.sum() for row in others if cosine(own, row) >= self.alike))


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """The cosine of two vectors of counts."""
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def attacks(
    parts: Split, answers: np.ndarray, groups: np.ndarray, spec: Spec, seed: int, limit: int
) -> dict[str, list[Request]]:
    """What each attacker asks, in order; ``limit`` is what one account could hope to get."""
    rng = np.random.default_rng([seed, 23])
    order = [int(i) for i in rng.permutation(len(parts.pool))][: spec.params["queries"]]
    accounts = spec.params["accounts"]
    keen = service.active(parts.pool, answers, limit, seed)
    return {
        "attack-success": [Request("thief", i) for i in order],
        "attack-success-active": [Request("thief", i) for i in keen],
        "attack-success-sybil": [Request(f"thief-{k % accounts}", i) for k, i in enumerate(order)],
        "attack-success-adaptive": [Request(f"thief-{groups[i] % accounts}", i) for i in order],
    }


def honest(parts: Split, seed: int) -> list[tuple[str, Text]]:
    """Requests of honest users: each asks mostly about one library, a few of them a lot."""
    rng = np.random.default_rng([seed, 29])
    found = []
    for user in range(USERS):
        wanted = int(np.clip(rng.lognormal(3.0, 0.9), 2, 200))
        own = [row for row in parts.test if row.label == user % 6]
        for _ in range(wanted):
            rows = own if rng.random() < 0.8 else parts.test
            found.append((f"user-{user}", rows[int(rng.integers(len(rows)))]))
    return [found[i] for i in rng.permutation(len(found))]


@mitigation(
    slug="query-budget",
    name="Query budget and audit of accounts",
    summary="Limits what an account may ask, and lets accounts that look alike share a limit.",
    stage="commercialization",
    risks=("model-extraction",),
    targets=(service.TARGET.slug,),
    needs="text",
    static_only=False,
    minutes=1,
    params=(
        Param("seeds", "int", 3, "services trained", low=3, high=10),
        Param("budget", "int", 60, "requests that an account may make", low=5, high=500),
        Param("queries", "int", 400, "what the attacker would ask without limit", low=20, high=500),
        Param("accounts", "int", 10, "accounts of the attacker that has many", low=2, high=100),
        Param("alike", "float", 0.9, "cosine from which accounts count as one", low=0.1, high=1.0),
    ),
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure how well a copy agrees with the service, and which honest requests are refused."""
    watch = provenance.Stopwatch()
    sheet = Sheet(ARMS, MEASURES, spec.seed)
    passed: list[str] = []
    for place in range(spec.params["seeds"]):
        report(Progress(place, spec.params["seeds"], "training and copying a service"))
        passed.append(_one(sheet, spec, spec.seed + place))
    return finish(
        spec,
        watch,
        sheet,
        Roles("attack-success", PRIMARY, "benign-refusal", "utility"),
        model={"name": "TF-IDF and softmax regression, trained in the run"},
        data=[datasets.describe("paragraphs", [row.text for row in service.split(spec.seed).test])],
        curves=[_curve(spec)],
        notes=_notes(sheet, passed),
    )


def _one(sheet: Sheet, spec: Spec, seed: int) -> str:
    """Train a service, attack it under every arm, enter what came of it; how much got through."""
    parts = service.split(seed)
    owner = service.trained(parts.private)
    answers = owner.predict([row.text for row in parts.pool])
    groups = service.topics([*parts.pool, *parts.test], TOPICS, seed)
    plans = {
        limit: attacks(parts, answers, groups, spec, seed, limit)
        for limit in (spec.params["queries"], spec.params["budget"])
    }
    said, agreed = [], _agreement(owner, parts, answers)
    for arm in (arm.name for arm in ARMS):
        limit = spec.params["queries" if arm == "undefended" else "budget"]
        for name, asked in plans[limit].items():
            got = through(asked, _gate(arm, spec, groups))
            said.append(f"{arm}{name.removeprefix('attack-success')} {len(got)}")
            for row, same in zip(parts.test, agreed(tuple(got)), strict=True):
                sheet.add(name, arm, f"seed{seed}-{row.id}", bool(same), f"text-{row.id}")
        _enter_honest(sheet, arm, seed, owner, parts, _gate(arm, spec, groups))
    return f"seed {seed}: " + ", ".join(said)


def _agreement(
    owner: Classifier, parts: Split, answers: np.ndarray
) -> Callable[[tuple[int, ...]], np.ndarray]:
    """From the places of answered queries to where a copy made of them agrees on test texts."""
    texts = [row.text for row in parts.test]
    truth = owner.predict(texts).argmax(axis=1)

    @cache
    def agreed(got: tuple[int, ...]) -> np.ndarray:
        copy = service.copied([parts.pool[i] for i in got], answers[list(got)])
        return np.asarray(copy.predict(texts).argmax(axis=1) == truth)

    return agreed


def _gate(arm: str, spec: Spec, groups: np.ndarray) -> Gate:
    return Gate(arm, spec.params["budget"], groups, spec.params["alike"])


def through(asked: Sequence[Request], gate: Gate) -> list[int]:
    """Places of the requests that are answered."""
    return [request.place for request in asked if gate.admits(request)]


def _enter_honest(
    sheet: Sheet, arm: str, seed: int, owner: Classifier, parts: Split, gate: Gate
) -> None:
    """Honest users against the gate; their texts stand after the pool in the gate's topics."""
    places = {row.id: len(parts.pool) + i for i, row in enumerate(parts.test)}
    for i, (user, row) in enumerate(honest(parts, seed)):
        start = time.perf_counter()
        let = gate.admits(Request(user, places[row.id]))
        right = let and owner.predict([row.text]).argmax() == row.label
        spent = 1000 * (time.perf_counter() - start)
        unit, cluster = f"seed{seed}-request-{i}", f"seed{seed}-{user}"
        sheet.add("benign-refusal", arm, unit, not let, cluster)
        sheet.add("utility", arm, unit, right, cluster)
        if let and i < TIMED:
            sheet.add("latency", arm, f"seed{seed}-timed-{i}", spent)


def _curve(spec: Spec) -> dict[str, object]:
    """How well a copy agrees against how many queries it was made of, on the first seed."""
    parts = service.split(spec.seed)
    owner = service.trained(parts.private)
    answers = owner.predict([row.text for row in parts.pool])
    series = []
    agreed = _agreement(owner, parts, answers)
    for label, keen in (("random queries", False), ("active learning", True)):
        points = []
        for budget in (b for b in (10, 25, 50, 100, 200, 400) if b <= len(parts.pool)):
            chosen = list(range(budget))
            if keen:
                chosen = service.active(parts.pool, answers, budget, spec.seed)
            points.append([float(budget), float(agreed(tuple(chosen)).mean())])
        series.append({"label": label, "points": points})
    return {
        "name": "budget",
        "title": "How well a copy agrees, by the queries it was made of",
        "x_label": "queries",
        "y_label": "agreement with the service",
        "series": series,
    }


def _notes(sheet: Sheet, passed: Sequence[str]) -> list[str]:
    return [
        "A copy that always said the commonest label would agree on about a quarter.",
        "Honest users are simulated: each asks mostly about one library, a few of them much more "
        "than others. The true price depends on real traffic.",
        "Queries answered: " + "; ".join(passed) + ".",
        seed_notes.by_seed(sheet, "attack-success"),
    ]
