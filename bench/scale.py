"""How the index behaves when the knowledge base grows: 142,887 abstracts, a million vectors.

``python -m bench.scale embed [SECONDS]`` embeds the background corpus, goes on
where it stopped, and says how fast. ``python -m bench.scale`` builds flat, HNSW and IVF indexes
of several sizes over those vectors, each in a process of its own, keeps what it measured in
``bench/scale.json`` at once, and skips what is there already.

Vectors that were not embedded are made from those that were: two of them mixed, and moved a
little at random, by a fixed seed. They keep the crowding of real texts, which independent
random vectors lack. Queries are the texts of the search collection, and titles of papers whose
abstracts were embedded but are left out of the index.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .search import collection

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT.parent / "shared/corpus/background.jsonl.gz"
KEPT = ROOT / "var/bench/scale"
VECTORS, SPEEDS, QUERIES = (KEPT / name for name in ("vectors.f2", "speeds.jsonl", "queries.npy"))
STORED = ROOT / "bench/scale.json"
DIMENSION, BLOCK, SEED = 384, 256, 20261125
SIZES = (3_600, 20_000, 50_000, 142_887, 1_000_000)
KINDS = ("flat", "ivf", "hnsw")
HELD_OUT, ASKED = 300, 200
# The ten that a reader looks at, and as many as the product takes from a leg.
K, DEEP = 10, 1000
PROBES, EFFORTS = (16, 32, 64, 128, 256), (32, 64, 128, 256, 512)
MIXED, MOVED = 0.5, 0.5
# A build is stopped after so many seconds; what was measured by then is said to be partial.
BUILD_SECONDS = 3600.0


def embedded() -> np.ndarray:
    """The vectors embedded so far, shape (n, 384), half precision, in the corpus's order."""
    if not VECTORS.exists():
        return np.zeros((0, DIMENSION), dtype="<f2")
    return np.memmap(VECTORS, dtype="<f2", mode="r").reshape(-1, DIMENSION)


def texts() -> Iterator[str]:
    """Title and abstract of each paper of the background corpus."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield f"{row['title']}\n{row['abstract']}"


def embed(seconds: float) -> None:
    """Embed for so long, from where the last run stopped; each block is kept at once."""
    KEPT.mkdir(parents=True, exist_ok=True)
    encode = embedder().encode
    done = first = len(embedded())
    waiting = islice(texts(), done, None)
    start, busy = time.perf_counter(), time.process_time()
    with VECTORS.open("ab") as out:
        while time.perf_counter() - start < seconds and (block := list(islice(waiting, BLOCK))):
            out.write(encode(block).astype("<f2").tobytes())
            out.flush()
            done += len(block)
            speed = (done - first) / (time.perf_counter() - start)
            print(f"embedded {done:,}, {speed:.1f} a second", flush=True)
    taken: dict[str, Any] = {"texts": done - first, "load": os.getloadavg()[0]}
    taken |= {"seconds": time.perf_counter() - start, "cpu": time.process_time() - busy}
    with SPEEDS.open("a") as log:
        log.write(json.dumps(taken) + "\n")


def embedder() -> Any:
    """The product's own embedder."""
    shapes()
    from kb.search._embedder import PACKAGED, SentenceEmbedder

    return SentenceEmbedder(PACKAGED)


def shapes() -> Any:
    """The product's index shapes, in a process that has Django set up."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    django.setup()
    from kb.search import _shapes

    return _shapes


def queries() -> np.ndarray:
    """Vectors of real queries, shape (200, 384), embedded once."""
    if not QUERIES.exists():
        titles = [text.split("\n")[0] for text in islice(texts(), HELD_OUT)]
        asked = [query.text for query in collection.queries()]
        np.save(QUERIES, embedder().encode([*asked, *titles][:ASKED]))
    return np.asarray(np.load(QUERIES)[:ASKED])


def vectors(rows: int) -> tuple[np.ndarray, int]:
    """(unit vectors of shape (rows, 384), how many of them were embedded)."""
    real = embedded()[HELD_OUT:][:rows].astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    made = np.empty((rows, DIMENSION), dtype=np.float32)
    made[: len(real)] = real
    draw = np.random.default_rng(SEED)
    for start in range(len(real), rows, 50_000):
        count = min(50_000, rows - start)
        one, other = (real[draw.integers(len(real), size=count)] for _ in range(2))
        share = draw.uniform(MIXED, 1.0, size=(count, 1)).astype(np.float32)
        noise = draw.standard_normal((count, DIMENSION), dtype=np.float32)
        mixed = share * one + (1 - share) * other + MOVED * noise / DIMENSION**0.5
        made[start : start + count] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return made, len(real)


def measure(kind: str, rows: int) -> dict[str, Any]:
    """One index of one size: build, memory, latency, recall, insertion."""
    import faiss

    door = shapes()
    door.one_thread()
    matrix, real = vectors(rows)
    asked = queries()
    start, busy = time.perf_counter(), time.process_time()
    index = {"flat": lambda: door.flat(DIMENSION), "ivf": lambda: door.lists(matrix),
             "hnsw": _graph}[kind]()  # fmt: skip
    held = _fill(index, matrix, start)
    found: dict[str, Any] = {"kind": kind, "rows": rows, "held": held, "embedded": min(real, held)}
    found["build_s"] = round(time.perf_counter() - start, 1)
    found["build_cpu_s"] = round(time.process_time() - busy, 1)
    found["memory_mib"] = round(faiss.serialize_index(index).nbytes / 2**20, 1)
    exact = faiss.knn(asked, matrix[:held], DEEP, metric=faiss.METRIC_INNER_PRODUCT)[1]
    settings = {"flat": [0], "ivf": PROBES, "hnsw": EFFORTS}[kind]
    found["searches"] = [_searched(kind, index, asked, exact, value) for value in settings]
    found["insert_one_ms"] = _inserted(index, matrix[:ASKED], held)
    return found | {"load": os.getloadavg()[0]}


def _graph() -> Any:
    import faiss

    index = faiss.IndexHNSWFlat(DIMENSION, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 64
    return faiss.IndexIDMap2(index)


def _fill(index: Any, matrix: np.ndarray, start: float) -> int:
    """Add in blocks until all is in or the time is up; return how many are in."""
    for at in range(0, len(matrix), 2_000):
        if time.perf_counter() - start > BUILD_SECONDS:
            return at
        block = matrix[at : at + 2_000]
        index.add_with_ids(block, np.arange(at, at + len(block), dtype=np.int64))
    return len(matrix)


def _searched(
    kind: str, index: Any, asked: np.ndarray, exact: np.ndarray, value: int
) -> dict[str, Any]:
    """Latency of single queries and recall against the exact search, at one setting."""
    import faiss

    if kind == "ivf":
        index.nprobe = value
    if kind == "hnsw":
        graph: Any = faiss.downcast_index(index.index)
        graph.hnsw.efSearch = value
    shallow, deep = (_timed(index, asked, depth) for depth in (K, DEEP))
    p50, p99 = np.quantile(shallow.wall, [0.5, 0.99])
    figures = {"p50_ms": p50, "p99_ms": p99, "cpu_p50_ms": np.median(shallow.cpu)}
    figures |= {"recall@10": shallow.recall(exact), "deep_p50_ms": np.median(deep.wall)}
    figures |= {"recall@1000": deep.recall(exact)}
    return {"setting": value, **{name: round(float(v), 4) for name, v in figures.items()}}


@dataclass
class _Timed:
    """Milliseconds of wall and processor time of single searches, and the ids they found."""

    wall: list[float]
    cpu: list[float]
    ids: list[np.ndarray]

    def recall(self, exact: np.ndarray) -> float:
        """The share of the true nearest that was found, as many as were asked for."""
        depth = len(self.ids[0])
        pairs = zip(self.ids, exact[:, :depth], strict=True)
        return float(np.mean([np.isin(right, found).mean() for found, right in pairs]))


def _timed(index: Any, asked: np.ndarray, depth: int) -> _Timed:
    found = _Timed([], [], [])
    for query in asked:
        start, busy = time.perf_counter(), time.thread_time()
        ids = index.search(query[None, :], depth)[1][0]
        found.wall.append(1000 * (time.perf_counter() - start))
        found.cpu.append(1000 * (time.thread_time() - busy))
        found.ids.append(ids)
    return found


def _inserted(index: Any, some: np.ndarray, held: int) -> float:
    """Median milliseconds to add one more vector."""
    taken = []
    for number, vector in enumerate(some[:50]):
        start = time.perf_counter()
        index.add_with_ids(vector[None, :], np.array([held + number], dtype=np.int64))
        taken.append(1000 * (time.perf_counter() - start))
    return round(float(np.median(taken)), 3)


def main() -> None:
    """Measure all that is missing and print the table."""
    if not len(embedded()):
        embed(300)
    while measure_next():
        pass
    show(_stored())


def measure_next() -> bool:
    """Measure the first index that is missing, in a process of its own; whether there was one."""
    kept = _stored()
    known = {(row["kind"], row["rows"]) for row in kept["indexes"]}
    missing = [(kind, rows) for rows in SIZES for kind in KINDS if (kind, rows) not in known]
    if not missing:
        return False
    kind, rows = missing[0]
    print(f"measuring {kind} with {rows:,}", flush=True)
    run = [sys.executable, "-m", "bench.scale", "measure", kind, str(rows)]
    done = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True)
    kept["indexes"].append(json.loads(done.stdout.splitlines()[-1]))
    _store(kept)
    return True


def _stored() -> dict[str, Any]:
    if STORED.exists():
        kept: dict[str, Any] = json.loads(STORED.read_text())
        return kept
    return {"indexes": []}


def _store(kept: dict[str, Any]) -> None:
    speeds = [json.loads(line) for line in SPEEDS.read_text().splitlines()]
    kept |= {"measured_at": datetime.now(UTC).date().isoformat(), "seed": SEED}
    kept |= {"cores": os.cpu_count(), "embedding": speeds}
    STORED.write_text(json.dumps(kept, indent=1) + "\n")


def show(kept: dict[str, Any]) -> None:
    """Print one line for each index and setting."""
    for row in kept["indexes"]:
        part = "" if row["held"] == row["rows"] else f" (stopped at {row['held']:,})"
        print(
            f"{row['kind']} {row['rows']:,}{part}: built in {row['build_s']} s, "
            f"{row['memory_mib']} MiB, one more in {row['insert_one_ms']} ms"
        )
        for found in row["searches"]:
            print(
                f"    at {found['setting']}: p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms, "
                f"recall@10 {found['recall@10']}"
            )


if __name__ == "__main__":
    commands: dict[str, Callable[..., Any]] = {
        "embed": lambda seconds="300": embed(float(seconds)),
        "all": main,
        "next": measure_next,
        "measure": lambda kind, rows: print(json.dumps(measure(kind, int(rows)))),
    }
    name, *rest = sys.argv[1:] or ["all"]
    commands[name](*rest)
