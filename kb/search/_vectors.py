"""Vectors in PostgreSQL: what is embedded, what is stale, and bringing it up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from django.utils import timezone

from kb.models import Embedding, Paper

from ._embedder import BATCH, embedder

STORED = np.dtype("<f2")
FIXTURE = Path(__file__).resolve().parents[2] / "fixtures/embeddings"


def text_digest(text: str) -> str:
    """sha256 of a paper's text, by which a stale vector is known."""
    return hashlib.sha256(text.encode()).hexdigest()


def stale() -> dict[int, tuple[str, str]]:
    """{paper id: (text, digest)} of every paper whose present text has no vector."""
    papers = Paper.objects.only("title", "tldr", "abstract", "summary")
    current = {paper.pk: (paper.text, text_digest(paper.text)) for paper in papers}
    known = dict(
        Embedding.objects.filter(model=embedder().name).values_list("paper_id", "text_digest")
    )
    return {pk: pair for pk, pair in current.items() if known.get(pk) != pair[1]}


def embed_stale(progress: Callable[[int, int], None] | None = None) -> int:
    """Embed what is stale, from the shipped vectors where they fit; return how many.

    Each batch is stored at once, so an interrupted run goes on where it stopped.
    """
    waiting = stale()
    total = len(waiting)
    done = _take_shipped(waiting)
    while waiting:
        if progress:
            progress(done, total)
        batch = {pk: waiting.pop(pk) for pk in list(waiting)[:BATCH]}
        vectors = embedder().encode([text for text, _ in batch.values()])
        store({pk: digest for pk, (_, digest) in batch.items()}, vectors)
        done += len(batch)
    if progress:
        progress(done, total)
    return done


def embed_paper(paper: Paper) -> None:
    """Bring one paper's vector up to date."""
    store({paper.pk: text_digest(paper.text)}, embedder().encode([paper.text]))


def store(digests: dict[int, str], vectors: np.ndarray) -> None:
    """Write vectors, shape (len(digests), dimension), in the order of ``digests``."""
    now = timezone.now()
    rows = [
        Embedding(
            paper_id=pk,
            model=embedder().name,
            text_digest=digest,
            vector=vector.astype(STORED).tobytes(),
            updated_at=now,
        )
        for (pk, digest), vector in zip(digests.items(), vectors, strict=True)
    ]
    Embedding.objects.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["paper", "model"],
        update_fields=["text_digest", "vector", "updated_at"],
    )


def decode(vectors: list[bytes]) -> np.ndarray:
    """Stored vectors as float32, shape (len(vectors), dimension), unit length again."""
    matrix = np.frombuffer(b"".join(vectors), dtype=STORED).reshape(len(vectors), -1)
    wide = matrix.astype(np.float32)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def everything() -> tuple[list[int], np.ndarray]:
    """(paper ids, vectors) under the present model, in the order of the ids."""
    rows = list(
        Embedding.objects.filter(model=embedder().name)
        .order_by("paper_id")
        .values_list("paper_id", "vector")
    )
    if not rows:
        return [], np.zeros((0, embedder().dimension), dtype=np.float32)
    return [pk for pk, _ in rows], decode([bytes(vector) for _, vector in rows])


def _take_shipped(waiting: dict[int, tuple[str, str]]) -> int:
    """Store the shipped vectors of texts that are waiting; they leave ``waiting``."""
    shipped = read_shipped()
    found = {pk: digest for pk, (_, digest) in waiting.items() if digest in shipped}
    if found:
        store(found, np.stack([shipped[digest] for digest in found.values()]))
    for pk in found:
        del waiting[pk]
    return len(found)


def read_shipped() -> dict[str, np.ndarray]:
    """{text digest: vector} of the fixtures, where they were made by the present model."""
    manifest_path = FIXTURE / "manifest.json"
    if not manifest_path.exists():
        return {}
    manifest = json.loads(manifest_path.read_text())
    if manifest["model"] != embedder().name:
        return {}
    vectors = np.load(FIXTURE / "vectors.npy").astype(np.float32)
    return dict(zip(manifest["text_digests"], vectors, strict=True))


def write_shipped(terms: tuple[list[str], np.ndarray]) -> int:
    """Write every current vector to the fixtures, and those of ``terms``; return how many.

    ``terms`` is (texts, their vectors of shape (len(texts), dimension)).
    """
    rows = list(
        Embedding.objects.filter(model=embedder().name)
        .order_by("paper__key")
        .values_list("text_digest", "vector")
    )
    digests, vectors = [digest for digest, _ in rows], decode([bytes(v) for _, v in rows])
    texts, of_terms = terms
    digests += [text_digest(text) for text in texts]
    FIXTURE.mkdir(exist_ok=True)
    np.save(FIXTURE / "vectors.npy", np.concatenate([vectors, of_terms]).astype(STORED))
    manifest = {
        "model": embedder().name,
        "dimension": embedder().dimension,
        "rows": len(digests),
        "text_digests": digests,
    }
    (FIXTURE / "manifest.json").write_text(json.dumps(manifest, indent=0) + "\n")
    return len(digests)
