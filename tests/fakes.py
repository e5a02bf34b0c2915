"""Small stand-ins for the heavy parts; tests marked ``model`` check the real ones alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np


class HashEmbedder:
    """Words hashed into 64 dimensions: texts that share words are near. Deterministic."""

    dimension = 64
    loading = False

    def __init__(self, model: str) -> None:
        self.name = f"hash-{model}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of shape (len(texts), 64), float32, each of length 1."""
        matrix = np.array([self._vector(text) for text in texts], dtype=np.float32)
        return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)

    def _vector(self, text: str) -> np.ndarray:
        vector = np.full(self.dimension, 1e-3)
        for word in re.findall(r"\w+", text.lower()):
            vector[hashlib.md5(word.encode()).digest()[0] % self.dimension] += 1
        return vector


class FakeLanguageModel:
    """Surprised by symbols, calm about words; refuses what speaks of bombs."""

    name, checksum, dtype = "fake", "0" * 64, "float32"

    def describe(self) -> dict[str, str]:
        """What a record says of the model."""
        return {"name": self.name, "sha256": self.checksum, "precision": self.dtype}

    def count(self, text: str) -> int:
        """One token a word."""
        return len(text.split())

    def chat(
        self,
        chats: Sequence[Sequence[Mapping[str, str]]],
        max_new_tokens: int,
        batch: int = 16,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[str]:
        """What it answers to the last message of each conversation."""
        return self.answers([chat[-1]["content"] for chat in chats], max_new_tokens, batch, report)

    def losses(self, texts: Sequence[str], batch: int = 16) -> list[list[float]]:
        """One loss a word: 9 for words with brackets or digits, else 3."""
        return [[9.0 if re.search(r"[\[\]\d{}_]", w) else 3.0 for w in t.split()] for t in texts]

    def answers(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        batch: int = 16,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[str]:
        """A refusal, or the capital of France."""
        report(len(prompts))
        return ["I'm sorry, I can't." if "bomb" in p else "It is Paris." for p in prompts]
