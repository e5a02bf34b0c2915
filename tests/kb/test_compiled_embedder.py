"""The compiled embedding model: the same vectors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kb.search import _embedder
from kb.search._embedder import PACKAGED, SentenceEmbedder, Transformer, graph_path
from kb.search._graph import Graph

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["", "a", "prompt injection 🙂 \x00 تسميم", "an agent's memory is poisoned " * 100]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.xdist_group("model")
def test_it_gives_the_vectors_of_the_original(tmp_path: Path, settings: Any) -> None:
    settings.VAR = tmp_path
    original, compiled = SentenceEmbedder(PACKAGED), SentenceEmbedder(PACKAGED)
    expected = original.encode(TEXTS)
    command = [sys.executable, "manage.py", "compile_embedder"]
    environment = {**os.environ, "SAFESTACK_VAR": str(tmp_path)}
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert said.stdout.decode().strip() == str(graph_path())
    assert np.abs(compiled.encode(TEXTS) - expected).max() < 1e-5
    assert isinstance(original._model, Transformer)
    assert isinstance(compiled._model, Graph)
    assert compiled.encode([]).shape == (0, compiled.dimension) == (0, original.dimension)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [graph_path().name]


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_a_damaged_one_is_not_used_and_that_is_said(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    # Runs of the engine in this process may have turned loggers off.
    monkeypatch.setattr(_embedder.log, "warning", lambda text, *args: said.append(text % args))
    settings.VAR = tmp_path
    graph_path().parent.mkdir()
    graph_path().write_bytes(b"half of a graph")
    damaged = SentenceEmbedder(PACKAGED)
    assert damaged.encode(["a"]).shape == (1, damaged.dimension)
    assert isinstance(damaged._model, Transformer)
    assert len(said) == 1
    assert said[0].startswith("The compiled model is not used:")
