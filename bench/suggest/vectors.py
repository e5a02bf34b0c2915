"""Vectors of the texts that are asked about: shipped ones, kept ones, and new ones."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
KEPT = ROOT / "var/bench/suggest.npz"
BATCH = 64


def vectors(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of shape (len(texts), dimension); what is embedded anew is kept in var/."""
    given, own = shipped(), _kept()
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    pairs = dict(zip(digests, texts, strict=True))
    new = [pair for pair in pairs.items() if pair[0] not in given and pair[0] not in own]
    for start in range(0, len(new), BATCH):
        part = new[start : start + BATCH]
        made = _embedded([text for _, text in part])
        own.update(zip([digest for digest, _ in part], made, strict=True))
        _keep(own)
    known = own | given
    return np.stack([known[digest] for digest in digests])


def shipped() -> dict[str, np.ndarray]:
    """{sha256 of a text: its unit vector} as the fixtures ship them."""
    manifest = json.loads((FIXTURES / "embeddings/manifest.json").read_text())
    found = np.load(FIXTURES / "embeddings/vectors.npy").astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return dict(zip(manifest["text_digests"], found, strict=True))


def _kept() -> dict[str, np.ndarray]:
    if not KEPT.exists():
        return {}
    with np.load(KEPT) as kept:
        return dict(zip(kept["digests"].tolist(), kept["vectors"], strict=True))


def _keep(own: dict[str, np.ndarray]) -> None:
    """So that the next measurement begins at once; whole, or as it was."""
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    part = KEPT.with_suffix(".part.npz")
    np.savez(part, digests=list(own), vectors=np.stack(list(own.values())))
    part.replace(KEPT)


def _embedded(texts: list[str]) -> np.ndarray:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    django.setup()
    from kb.search._embedder import embedder

    return embedder().encode(texts)
