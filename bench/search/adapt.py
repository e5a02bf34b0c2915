"""Is MiniLM worth adapting to the field? ``python -m bench.search.adapt`` trains and measures.

Two square matrices, one for what is asked and one for what is found, begin as the identity and
are trained on the embedded part of the background corpus (``python -m bench.scale embed``): a
paper's title, or a sentence of its abstract, is to be nearer to that abstract than to a
thousand others (InfoNCE, van den Oord et al. 2018, arXiv:1807.03748). Papers that the knowledge
base holds are left out, and nothing of the test collection is looked at. Scored is the
development half, since this chooses; ``bench/search/adapt.json`` keeps what came of it.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from typing import Any

import numpy as np

from bench import scale

from . import collection, score, world

STORED, PAIRS = collection.HERE / "adapt.json", scale.KEPT / "pairs.npz"
MATRICES = scale.KEPT / "adapter.npz"
SEED, HELD_OUT, BATCH, EPOCHS = 0, 1500, 1024, 8
RATE, TEMPERATURE, PULL = 1e-3, 0.05, 0.03  # PULL: how strongly it is held to the identity
TITLES = 0.4  # the share of titles among what is asked; the others are sentences


def main() -> None:
    """Embed what is asked, train, measure each world in a process of its own, store."""
    world.enter("summaries")
    from kb.models import Paper
    from kb.search._keyword import plain_title

    titles = {plain_title(title) for title in Paper.objects.values_list("title", flat=True)}
    arxiv = set(Paper.objects.exclude(arxiv_id="").values_list("arxiv_id", flat=True))
    asked, found = pairs(titles, arxiv)
    figures = train(asked, found)
    for texts in world.available():
        run = [sys.executable, "-m", "bench.search.adapt", texts]
        done = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True)
        figures[texts] = json.loads(done.stdout.splitlines()[-1])
    figures["collection"] = collection.digest()
    STORED.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def pairs(titles: set[str], arxiv: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """(titles and sentences, abstracts), shapes (n, 2, 384) and (n, 384), embedded once."""
    if not PAIRS.exists():
        rows, texts = _unknown(titles, arxiv)
        embedder = scale.embedder()
        asked = embedder.encode([text for pair in texts for text in pair])
        np.savez(PAIRS, asked=asked.reshape(len(rows), 2, -1), rows=rows)
    kept = np.load(PAIRS)
    return kept["asked"], np.asarray(scale.embedded()[kept["rows"]], dtype=np.float32)


def _unknown(titles: set[str], arxiv: set[str]) -> tuple[list[int], list[tuple[str, str]]]:
    """(places, (title, a sentence)) of the embedded papers that the knowledge base lacks."""
    from kb.search._keyword import plain_title

    draw, places, texts = np.random.default_rng(SEED), [], []
    with gzip.open(scale.CORPUS, "rt", encoding="utf-8") as lines:
        for place, line in zip(range(len(scale.embedded())), lines, strict=False):
            row = json.loads(line)
            number = (row.get("arxiv_id") or "").split("v")[0]
            if plain_title(row["title"]) not in titles and number not in arxiv:
                sentences = re.split(r"(?<=[.!?])\s+", row["abstract"])
                fit = [s for s in sentences if 40 < len(s) < 300] or [row["abstract"][:200]]
                places.append(place)
                texts.append((row["title"], str(draw.choice(fit))))
    return places, texts


def train(asked: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """Train and keep both matrices; how often a held-out sentence finds its abstract first."""
    import torch

    torch.manual_seed(SEED)
    questions, answers = torch.tensor(asked), torch.tensor(found)
    identity, count = torch.eye(found.shape[1]), len(found) - HELD_OUT
    moved = [torch.nn.Parameter(torch.zeros_like(identity)) for _ in range(2)]
    optimizer = torch.optim.Adam(moved, lr=RATE)

    def scores(rows: Any, which: Any) -> Any:
        sides = questions[rows, which], answers[rows]
        ask, find = (side @ (identity + m) for side, m in zip(sides, moved, strict=True))
        ask, find = (torch.nn.functional.normalize(side, dim=1) for side in (ask, find))
        return ask @ find.T

    def first() -> float:
        rows = torch.arange(count, len(found))
        best = scores(rows, torch.ones_like(rows)).argmax(1)
        return round(float((best == torch.arange(HELD_OUT)).float().mean()), 4)

    before = first()
    for _ in range(EPOCHS):
        order = torch.randperm(count)
        for rows in order[: count - count % BATCH].split(BATCH):
            which = (torch.rand(BATCH) > TITLES).long()
            near = scores(rows, which) / TEMPERATURE
            loss = torch.nn.functional.cross_entropy(near, torch.arange(BATCH))
            loss = loss + PULL * sum((m**2).sum() for m in moved)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    np.savez(MATRICES, *[(identity + m).detach().numpy() for m in moved])
    return {"pairs": count, "held out": HELD_OUT, "first before": before, "first after": first()}


def measure(texts: str) -> dict[str, Any]:
    """Meaning alone and fused, with the adapter and without, and the paired differences."""
    world.enter(texts)
    asked, judged = score.asked_in("development"), collection.qrels()
    judged = {q.id: judged[q.id] for q in asked if any(judged[q.id].values())}
    kept = np.load(MATRICES)
    sides = {"plain": [np.eye(scale.DIMENSION, dtype=np.float32)] * 2,
             "adapted": [kept[name].astype(np.float32) for name in kept.files]}  # fmt: skip
    found: dict[str, Any] = {}
    values: dict[tuple[str, str], dict[str, float]] = {}
    for name, (ask, find) in sides.items():
        for mode, ranking in _rankings({q.id: q.text for q in asked}, ask, find).items():
            per = score.per_query(ranking, judged, score.MEASURES)
            values[name, mode] = per["nDCG@10"]
            found[f"{name}, {mode}"] = {m: score.interval(v.values()) for m, v in per.items()}
    for mode in ("semantic", "hybrid"):
        gap = score.difference(values["adapted", mode], values["plain", mode])
        found[f"difference, {mode}"] = gap
    return found


def _rankings(
    queries: dict[str, str], ask: np.ndarray, find: np.ndarray
) -> dict[str, dict[str, list[str]]]:
    """{mode: {query id: paper keys, best first}} with both sides multiplied and made unit."""
    from kb import search
    from kb.models import Paper
    from kb.search import Mode, _legs, _shapes, _world
    from kb.search._fusion import fuse
    from kb.search._index import PaperIndex, State
    from kb.search._keyword import KEYWORDS
    from kb.search._query import understand
    from kb.search._terms import TERMS

    ids, matrix = search.vectors()
    papers, moved = PaperIndex(scale.KEPT), _unit(matrix @ find)
    papers._faiss_index, papers._held = _shapes.flat(scale.DIMENSION), set(ids)
    papers._faiss_index.add_with_ids(moved, np.array(ids, dtype=np.int64))
    papers._mean, papers.state = moved.mean(axis=0), State.now()
    where = _world.World(papers, KEYWORDS, TERMS, _world.placed_under)
    search.rank("everything brought up to date", Paper.objects.all())
    keys = dict(Paper.objects.values_list("pk", "key"))
    known = {name: understand(text, KEYWORDS.current().words) for name, text in queries.items()}
    vectors = dict(zip(known, search.encode([q.meant for q in known.values()]), strict=True))
    found: dict[str, dict[str, list[str]]] = {}
    for mode in (Mode.SEMANTIC, Mode.HYBRID):
        for name, query in known.items():
            legs = _legs.ranked(query, _unit(vectors[name] @ ask), mode, 1000, {}, world=where)
            lifted, _ = _legs.topics(vectors[name], lift=mode is Mode.HYBRID, world=where)
            hits = fuse(legs, None, lifted).papers[:100]
            found.setdefault(mode.value, {})[name] = [keys[pk] for pk in hits.tolist()]
    return found


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), dtype=np.float32)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
