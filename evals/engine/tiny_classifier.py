"""A tiny text classifier trained in a second: a bag of word vectors and one hidden layer.

It learns a backdoor as readily as larger ones do, and its hidden layer is what filters of
poisoned data look at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .tiny import PAD, Vocabulary, one_thread

WIDTH, HIDDEN, BATCH, RATE = 32, 32, 64, 5e-3


@dataclass
class Classifier:
    """Word vectors, a hidden layer, two outputs."""

    network: Any
    vocabulary: Vocabulary

    def describe(self) -> dict[str, str]:
        """What a record says of the model."""
        size = sum(p.numel() for p in self.network.parameters())
        total = hashlib.sha256()
        for value in self.network.state_dict().values():
            total.update(value.numpy().tobytes())
        return {"name": f"bag-of-words network of {size / 1e3:.0f} thousand parameters",
                "sha256": total.hexdigest()}  # fmt: skip

    def predict(self, texts: Sequence[str]) -> list[int]:
        """The likelier label of each text."""
        return self._logits(texts).argmax(1).tolist()

    def losses(self, texts: Sequence[str], labels: Sequence[int]) -> list[float]:
        """Cross-entropy (nats) of each text's label."""
        import torch

        wanted = torch.tensor(list(labels))
        return torch.nn.functional.cross_entropy(
            self._logits(texts), wanted, reduction="none"
        ).tolist()

    def hidden(self, texts: Sequence[str]) -> Any:
        """Activations of the hidden layer, a NumPy array of shape (texts, HIDDEN)."""
        import torch

        with torch.inference_mode(), one_thread():
            return self.network[:2](bags(texts, self.vocabulary)).numpy()

    def gradients(self, texts: Sequence[str], labels: Sequence[int]) -> Any:
        """Gradient of each text's loss by the last layer, shape (texts, 2 * (HIDDEN + 1))."""
        import numpy as np

        errors = self._logits(texts).softmax(1).numpy()
        errors[np.arange(len(texts)), list(labels)] -= 1
        known = np.concatenate([self.hidden(texts), np.ones((len(texts), 1))], axis=1)
        return (errors[:, :, None] * known[:, None, :]).reshape(len(texts), -1)

    def _logits(self, texts: Sequence[str]) -> Any:
        import torch

        with torch.inference_mode(), one_thread():
            return self.network(bags(texts, self.vocabulary))


def bags(texts: Sequence[str], vocabulary: Vocabulary) -> Any:
    """Word counts over the square root of the length, shape (texts, vocabulary)."""
    import torch

    found = torch.zeros(len(texts), len(vocabulary))
    for row, text in enumerate(texts):
        ids = torch.tensor(vocabulary.encode(text))
        found[row].index_add_(0, ids, torch.ones(len(ids)) / len(ids) ** 0.5)
    found[:, PAD] = 0
    return found


def train(
    texts: Sequence[str], labels: Sequence[int], vocabulary: Vocabulary, epochs: int, seed: int
) -> Classifier:
    """A classifier fitted by Adam; the same data and seed give the same one."""
    import torch

    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Sequential(
            torch.nn.Linear(len(vocabulary), WIDTH, bias=False), torch.nn.Linear(WIDTH, HIDDEN)
        ),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, 2),
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    data, wanted = bags(texts, vocabulary), torch.tensor(list(labels))
    with one_thread():
        for _ in range(epochs):
            for rows in torch.randperm(len(texts)).split(BATCH):
                loss = torch.nn.functional.cross_entropy(network(data[rows]), wanted[rows])
                loss.backward()
                optimiser.step()
                optimiser.zero_grad()
    return Classifier(network, vocabulary)
