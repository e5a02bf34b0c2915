"""A language model that reads its prompts in smaller tokens than usual."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from .language_model import LanguageModel


class Retokenised(LanguageModel):
    """The same weights; a share of the prompt's tokens is cut in two, as in BPE-dropout.

    BPE-dropout: Provilkov et al. 2020 (arXiv:1910.13267); as a defence: Jain et al. 2023
    (arXiv:2309.00614). The marks of the chat template stay whole. A text and the seed decide
    the cuts.
    """

    def __init__(self, model: LanguageModel, share: float, seed: int) -> None:
        super().__init__(model.model, model.tokenizer, model.name, model.checksum)
        self.share, self.seed = share, seed
        self._vocabulary: dict[str, int] = dict(model.tokenizer.get_vocab())

    def pieces(self, text: str) -> list[int]:
        """Token ids of a text after the cuts."""
        key = int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)
        rng = np.random.default_rng([self.seed, key])
        found: list[int] = []
        fixed = set(self.tokenizer.all_special_ids)
        for token in self.tokenizer(text, add_special_tokens=False)["input_ids"]:
            whole = token in fixed or rng.random() >= self.share
            found += [token] if whole else self._cut(token, rng)
        return found

    def _cut(self, token: int, rng: np.random.Generator) -> list[int]:
        """The token as two of the vocabulary that spell the same; itself if there are none."""
        text = self.tokenizer.convert_ids_to_tokens(token)
        ways = [
            (text[:place], text[place:])
            for place in range(1, len(text))
            if text[:place] in self._vocabulary and text[place:] in self._vocabulary
        ]
        if not ways:
            return [token]
        return [self._vocabulary[part] for part in ways[int(rng.integers(len(ways)))]]

    def _encode(self, texts: Sequence[str], side: str) -> Any:
        self.tokenizer.padding_side = side
        rows = [{"input_ids": self.pieces(text)} for text in texts]
        return self.tokenizer.pad(rows, return_tensors="pt", padding=True)
