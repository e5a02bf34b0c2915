"""Reading the test collection: queries, graded judgements, and its digest."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUERIES = HERE / "queries.jsonl"
QRELS = HERE / "qrels.jsonl"
RESULTS = HERE / "results.json"
SPLIT_SEED = 20261125


@dataclass(frozen=True)
class Asked:
    """One query: its kind, what is wanted, and papers known beforehand to be right."""

    id: str
    kind: str
    text: str
    need: str
    known: tuple[str, ...]


def queries(path: Path = QUERIES) -> list[Asked]:
    """Every query of the collection."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Asked(**{**row, "known": tuple(row["known"])}) for row in rows]


def halves() -> dict[str, str]:
    """{query id: "development" or "test"}, half of each kind, by a fixed seed.

    Whatever is tuned or chosen looks at the development half alone; the test half is reported.
    """
    found: dict[str, str] = {}
    kinds: dict[str, list[str]] = {}
    for query in queries():
        kinds.setdefault(query.kind, []).append(query.id)
    for kind, names in kinds.items():
        random.Random(f"{SPLIT_SEED} {kind}").shuffle(names)
        cut = len(names) // 2
        found |= dict.fromkeys(names[:cut], "development") | dict.fromkeys(names[cut:], "test")
    return found


def qrels(path: Path = QRELS) -> dict[str, dict[str, int]]:
    """{query id: {paper key: grade}}; 3 is exactly what is wanted, 0 is not."""
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row["id"], {})[row["key"]] = row["grade"]
    return found


def digest(*paths: Path) -> str:
    """sha256 over queries and judgements, by which results name their collection."""
    content = b"".join(path.read_bytes() for path in paths or (QUERIES, QRELS) if path.exists())
    return hashlib.sha256(content).hexdigest()
