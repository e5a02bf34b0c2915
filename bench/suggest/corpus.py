"""The curated papers of the fixtures, as rows to learn from and to be asked about."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kb.placing.features import Papers, Risks

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
ABSTRACTS = ROOT.parent / "shared/corpus/abstracts.jsonl"
KINDS = ("attack", "defense", "benchmark", "survey", "analysis")


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass
class Corpus:
    """Papers with what curators said, and what keyword rules propose.

    ``targets`` (n, risks) and ``kinds`` (n, 5) are true where a curator said so; ``rule`` is
    the index of the risk that rules over the title propose, -1 for none; ``rule_kind`` alike.
    """

    papers: Papers
    risks: Risks
    targets: np.ndarray
    kinds: np.ndarray
    rule: np.ndarray
    rule_kind: np.ndarray
    slugs: list[str]


def shipped() -> dict[str, np.ndarray]:
    """{sha256 of a text: its unit vector} as the fixtures ship them."""
    manifest = json.loads((FIXTURES / "embeddings/manifest.json").read_text())
    vectors = np.load(FIXTURES / "embeddings/vectors.npy").astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(manifest["text_digests"], vectors, strict=True))


def curated() -> Corpus:
    """Every paper that a curator placed under at least one risk, title with our summary."""
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
    vectors = shipped()
    texts = [f"{fact['title']}\n{row['summary']}" for fact, row in zip(about, placed, strict=True)]
    papers = Papers(
        [fact["title"] for fact in about],
        texts,
        [fact.get("lists", []) for fact in about],
        np.stack([vectors[_digest(text)] for text in texts]),
    )
    rule = [_rule(fact, slugs) for fact in about]
    return Corpus(
        papers,
        _risks(known, vectors),
        _table([[p["risk"] for p in row["placements"] if "risk" in p] for row in placed], slugs),
        _table([[p["kind"] for p in row["placements"]] for row in placed], list(KINDS)),
        np.array([at for at, _ in rule]),
        np.array([kind for _, kind in rule]),
        slugs,
    )


def _rule(fact: dict[str, Any], slugs: list[str]) -> tuple[int, int]:
    given = fact.get("suggested", {})
    what, _, slug = given.get("target", "").partition(":")
    kind = given.get("kind", "")
    return slugs.index(slug) if what == "risk" else -1, KINDS.index(kind) if kind else -1


def _risks(known: list[dict[str, Any]], vectors: dict[str, np.ndarray]) -> Risks:
    names = [[risk["name"], *risk.get("aliases", [])] for risk in known]
    texts = []
    for risk in known:
        also = f" ({', '.join(risk['aliases'])})" if risk.get("aliases") else ""
        texts.append(f"{risk['name']}{also}\n{risk['definition']}")
    return Risks(names, texts, np.stack([vectors[_digest(text)] for text in texts]))


def _table(found: list[list[str]], names: list[str]) -> np.ndarray:
    return np.array([[name in row for name in names] for row in found])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
