"""The packaged embedding model as an ONNX graph: the same weights, run without torch.

A query takes a third of the time, and a process that embeds needs neither torch's memory nor
its seconds to start. The graph is made once on each machine, by torch's own exporter, from
the weights whose checksum is verified; until it is there, sentence-transformers answers.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

# Texts embedded at once, each by one thread: two wait for each other wherever a core is busy.
THREADS = 2


class Graph:
    """A sentence model, tokenizer and all, that takes one text at a time."""

    def __init__(self, graph: Path, folder: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        onnxruntime.set_default_logger_severity(3)  # it warns of accelerators that are absent
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(graph), options)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        longest = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
        self._tokenizer.enable_truncation(longest)
        self._tokenizer.no_padding()
        self.dimension = int(self._session.get_outputs()[0].shape[-1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (len(texts), dimension), float32, each of length 1."""
        if len(texts) < THREADS:
            return np.array([self._one(text) for text in texts]).reshape(-1, self.dimension)
        with ThreadPoolExecutor(THREADS) as pool:
            return np.stack(list(pool.map(self._one, texts)))

    def _one(self, text: str) -> np.ndarray:
        ids = np.array([self._tokenizer.encode(text).ids])
        vector: np.ndarray = self._session.run(None, {"ids": ids})[0][0]
        return vector


def make(folder: Path, target: Path) -> None:
    """Write the graph of the sentence model in ``folder`` to ``target``, whole or not at all."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from sentence_transformers import SentenceTransformer

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = SentenceTransformer(str(folder), device="cpu").eval()

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            vectors: torch.Tensor = self.model(features)["sentence_embedding"]
            return vectors

    exported = torch.onnx.export(
        Whole().eval(),
        (torch.arange(1000, 1016).reshape(1, -1),),
        input_names=["ids"],
        output_names=["vector"],
        dynamic_shapes={"ids": {1: torch.export.Dim("tokens", min=2, max=256)}},
        dynamo=True,
        verbose=False,
    )
    assert exported is not None  # with `dynamo` it is always returned
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        written = Path(scratch) / target.name
        exported.save(str(written))
        written.rename(target)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
