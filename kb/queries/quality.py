"""What search scored on the test collection: read from the file that the bench stores."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

RESULTS = settings.BASE_DIR / "bench/search/results.json"
LATENCY = settings.BASE_DIR / "bench/search/latency.json"
SCALE = settings.BASE_DIR / "bench/scale.json"
RECALL = 0.95
SHOWN = ("nDCG@10", "recall@20", "MRR", "known-item success@3")


@dataclass(frozen=True)
class System:
    """One system's figures, in the order of ``SHOWN``; each has value, low and high."""

    name: str
    figures: list[dict[str, float]]
    against: dict[str, float] | None


@dataclass(frozen=True)
class World:
    """What the papers' texts were, and how every system did on the test half."""

    texts: str
    systems: list[System]
    kinds: dict[str, dict[str, float]]
    answerability: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Index:
    """One index of one size, and its search at the first setting that finds enough."""

    facts: dict[str, Any]
    search: dict[str, float]

    @property
    def partial(self) -> bool:
        """Whether its building was stopped before all vectors were in."""
        return bool(self.facts["held"] < self.facts["rows"])


@dataclass(frozen=True)
class Quality:
    """The stored measurements; ``latency`` is empty where speed was not measured."""

    facts: dict[str, Any]
    measures: tuple[str, ...]
    worlds: list[World]
    latency: dict[str, Any]
    indexes: list[Index]


@lru_cache(maxsize=1)
def measured() -> Quality | None:
    """The stored measurement, or None where there is none."""
    if not RESULTS.exists():
        return None
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    worlds = [_world(texts, found) for texts, found in stored["worlds"].items()]
    facts = {k: v for k, v in stored.items() if k != "worlds"}
    return Quality(facts, SHOWN, worlds, _read(LATENCY), _indexes())


def _read(path: Path) -> dict[str, Any]:
    """What a bench stored, or nothing."""
    stored: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return stored


def _indexes() -> list[Index]:
    found = []
    for row in _read(SCALE).get("indexes", []):
        enough = [one for one in row["searches"] if one["recall@10"] >= RECALL]
        found.append(Index(row, (enough or row["searches"][-1:])[0]))
    return found


def _world(texts: str, found: dict[str, Any]) -> World:
    test = found["test"]
    systems = [
        System(name, [figures[m] for m in SHOWN], test["fused against"].get(name))
        for name, figures in test["systems"].items()
    ]
    kinds = test["systems"]["fused"]["nDCG@10 by kind"]
    return World(texts, systems, kinds, found["answerability"])
