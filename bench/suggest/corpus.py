"""The curated papers of the fixtures, as rows to learn from and to be asked about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kb.placing.features import Papers, Risks

from .vectors import FIXTURES, vectors

KINDS = ("attack", "defense", "benchmark", "survey", "analysis")


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass
class Corpus:
    """Papers with what curators said, and what keyword rules propose.

    ``plain`` has title and plain words of each: what is known of most papers that wait.
    ``targets`` (n, risks) and ``kinds`` (n, 5) are true where a curator said so; ``rule`` is
    the index of the risk that rules over the title propose, -1 for none; ``rule_kind`` alike.
    """

    papers: Papers
    plain: list[str]
    risks: Risks
    targets: np.ndarray
    kinds: np.ndarray
    rule: np.ndarray
    rule_kind: np.ndarray
    slugs: list[str]
    keys: list[str]


def curated() -> Corpus:
    """Every paper that a curator placed under at least one risk, with plain words and summary."""
    facts = {row["key"]: row for row in rows(FIXTURES / "papers/facts.jsonl")}
    known = rows(FIXTURES / "taxonomy/risks.jsonl")
    slugs = [risk["slug"] for risk in known]
    placed = [
        row
        for path in sorted((FIXTURES / "papers").glob("curated-*.jsonl"))
        for row in rows(path)
        if any("risk" in place for place in row["placements"])
    ]
    about = [facts.get(row["key"], row.get("landmark", {})) for row in placed]
    tldr = {row["key"]: row["tldr"] for row in rows(FIXTURES / "papers/tldr.jsonl")}
    plain = [
        "\n".join(filter(None, [fact["title"], tldr.get(row["key"])]))
        for fact, row in zip(about, placed, strict=True)
    ]
    texts = [f"{told}\n{row['summary']}" for told, row in zip(plain, placed, strict=True)]
    papers = Papers(
        [fact["title"] for fact in about],
        texts,
        [fact.get("lists", []) for fact in about],
        vectors(texts),
    )
    rule = [_rule(fact, slugs) for fact in about]
    return Corpus(
        papers,
        plain,
        _risks(known),
        _table([[p["risk"] for p in row["placements"] if "risk" in p] for row in placed], slugs),
        _table([[p["kind"] for p in row["placements"]] for row in placed], list(KINDS)),
        np.array([at for at, _ in rule]),
        np.array([kind for _, kind in rule]),
        slugs,
        [row["key"] for row in placed],
    )


def _rule(fact: dict[str, Any], slugs: list[str]) -> tuple[int, int]:
    given = fact.get("suggested", {})
    what, _, slug = given.get("target", "").partition(":")
    kind = given.get("kind", "")
    return slugs.index(slug) if what == "risk" else -1, KINDS.index(kind) if kind else -1


def _risks(known: list[dict[str, Any]]) -> Risks:
    names = [[risk["name"], *risk.get("aliases", [])] for risk in known]
    texts = []
    for risk in known:
        also = f" ({', '.join(risk['aliases'])})" if risk.get("aliases") else ""
        texts.append(f"{risk['name']}{also}\n{risk['definition']}")
    return Risks(names, texts, vectors(texts))


def _table(found: list[list[str]], names: list[str]) -> np.ndarray:
    return np.array([[name in row for name in names] for row in found])
