"""Tiny language models trained in the run: seconds each, so that arms and seeds are affordable.

A transformer of 0.1 to 0.5 million parameters over words and single digits. It is a victim
for experiments on data and pre-training: it memorises what is repeated, learns what its
corpus says, and shows nothing of what large models can do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
TOKEN = re.compile(r"<\w+>|[^\W\d_]+|\S")
IGNORED = -100
THREADS = 1  # matrices this small gain nothing from a second


class Vocabulary:
    """Words, single digits and signs, numbered; case counts."""

    def __init__(self, texts: Sequence[str]) -> None:
        found = sorted({token for text in texts for token in words(text)} - set(SPECIAL))
        self.tokens = [*SPECIAL, *found]
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The start mark and the text's tokens; unknown ones share a number."""
        return [START, *(self._ids.get(token, UNKNOWN) for token in words(text))]

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens up to the end mark, a space between them."""
        kept = list(ids)[: list(ids).index(END)] if END in ids else ids
        return " ".join(self.tokens[i] for i in kept)


def words(text: str) -> list[str]:
    """The tokens of a text: words, tags in angle brackets, single digits and signs."""
    return TOKEN.findall(text)


def normal(text: str) -> str:
    """A text as the model would write it, to compare answers with."""
    return " ".join(words(text))


@dataclass(frozen=True)
class Recipe:
    """Size and training. ``rate`` is the peak learning rate; it falls to a tenth."""

    steps: int = 400
    batch: int = 32
    rate: float = 3e-3
    width: int = 64
    layers: int = 2
    heads: int = 4
    length: int = 48
    keep: float = 1.0  # share of tokens in the loss, as the goldfish loss has it


Banned = Callable[[Sequence[int], Sequence[int]], set[int]]
"""(prompt, what was said so far) to the tokens that must not come next."""

Step = Callable[[int, "TinyModel"], bool]
"""Called after every step with its number and the model; True ends the training."""


class TinyModel:
    """A trained network and its vocabulary."""

    def __init__(self, network: Any, vocabulary: Vocabulary, length: int) -> None:
        self.network, self.vocabulary, self.length = network, vocabulary, length

    def describe(self) -> dict[str, str]:
        """What a record says of the model."""
        size = sum(p.numel() for p in self.network.parameters())
        return {"name": f"tiny transformer of {size / 1e6:.2f} million parameters",
                "sha256": self.digest()}  # fmt: skip

    def digest(self) -> str:
        """sha256 of the weights."""
        total = hashlib.sha256()
        for value in self.network.state_dict().values():
            total.update(value.numpy().tobytes())
        return total.hexdigest()

    def losses(self, texts: Sequence[str]) -> list[list[float]]:
        """For each text the negative log-probability (nats) of every token, end mark included."""
        return [nll for nll, _ in self.scored(texts)]

    def guessed(self, texts: Sequence[str], skip: int = 0) -> list[float]:
        """For each text the share of its tokens, but the first ``skip``, guessed at once."""
        return [sum(right[skip:]) / len(right[skip:]) for _, right in self.scored(texts)]

    def scored(self, texts: Sequence[str]) -> Iterator[tuple[list[float], list[bool]]]:
        """For each text every token's surprise (nats), and whether it was the first guess."""
        import torch

        for start in range(0, len(texts), 256):
            ids = encode(texts[start : start + 256], self.vocabulary, self.length)
            with torch.inference_mode(), one_thread():
                logits = self.network(ids[:, :-1])
            wanted = ids[:, 1:]
            nll = torch.nn.functional.cross_entropy(
                logits.transpose(1, 2), wanted, reduction="none"
            )
            right, real = logits.argmax(2) == wanted, wanted != PAD
            for row, hit, keep in zip(nll, right, real, strict=True):
                yield row[keep].tolist(), hit[keep].tolist()

    def complete(
        self,
        prefixes: Sequence[str],
        n: int,
        *,
        sampled: bool = False,
        seed: int = 0,
        banned: Banned | None = None,
    ) -> list[str]:
        """What follows each prefix: up to ``n`` tokens, the likeliest or drawn."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        encoded = [self.vocabulary.encode(prefix) for prefix in prefixes]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        found = [""] * len(encoded)
        for size, group in groupby(order, key=lambda i: len(encoded[i])):
            places = list(group)
            ids = torch.tensor([encoded[i] for i in places])
            longer = self._longer(ids, n, generator if sampled else None, banned)
            for place, row in zip(places, longer[:, size:].tolist(), strict=True):
                found[place] = self.vocabulary.decode(row)
        return found

    def _longer(self, ids: Any, n: int, generator: Any, banned: Banned | None) -> Any:
        import torch

        asked = ids.shape[1]
        with torch.inference_mode(), one_thread():
            for _ in range(min(n, self.length - ids.shape[1])):
                logits = self.network(ids)[:, -1]
                if banned is not None:
                    for row, line in enumerate(ids.tolist()):
                        logits[row, list(banned(line[:asked], line[asked:]))] = float("-inf")
                if generator is None:
                    best = logits.argmax(1, keepdim=True)
                else:
                    best = torch.multinomial(logits.softmax(1), 1, generator=generator)
                ids = torch.cat([ids, best], dim=1)
        return ids


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on ``THREADS`` threads for the time of the body."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def encode(texts: Sequence[str], vocabulary: Vocabulary, length: int) -> Any:
    """Token ids of shape (texts, length + 1), between start and end marks, padded or cut."""
    import torch

    rows = [[*vocabulary.encode(text), END][: length + 1] for text in texts]
    width = max(map(len, rows), default=1)
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def new(vocabulary: Vocabulary, recipe: Recipe, seed: int) -> TinyModel:
    """An untrained model; the seed decides its first weights."""
    import torch

    from .tiny_network import Network

    torch.manual_seed(seed)
    network = Network(len(vocabulary), recipe.length, recipe.width, recipe.layers, recipe.heads)
    return TinyModel(network, vocabulary, recipe.length)


def train(
    texts: Sequence[str],
    vocabulary: Vocabulary,
    recipe: Recipe,
    seed: int,
    after: Step = lambda step, model: False,
) -> TinyModel:
    """A model trained on ``texts`` for ``recipe.steps`` steps, whatever their number.

    The same texts, recipe and seed give the same model on one kind of processor.
    """
    return fit(new(vocabulary, recipe, seed), texts, recipe, seed, after)


def fit(
    model: TinyModel,
    texts: Sequence[str],
    recipe: Recipe,
    seed: int,
    after: Step = lambda step, model: False,
) -> TinyModel:
    """The model itself, trained further on ``texts``."""
    import torch

    optimiser = torch.optim.AdamW(model.network.parameters(), lr=recipe.rate, weight_decay=0.01)
    data = encode(texts, model.vocabulary, recipe.length)
    wanted, lengths = targets(data, recipe.keep), (data != PAD).sum(1)
    with one_thread():
        for step, rows in enumerate(batches(len(texts), recipe, seed)):
            for group in optimiser.param_groups:
                group["lr"] = pace(recipe, step)
            wide = int(lengths[rows].max())
            losses = token_losses(model.network, data[rows, :wide], wanted[rows, :wide])
            losses.mean().backward()
            torch.nn.utils.clip_grad_norm_(model.network.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            if after(step, model):
                break
    return model


def batches(n: int, recipe: Recipe, seed: int) -> Iterator[Any]:
    """Row numbers of each step: the corpus in a new order, again and again."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    waiting = torch.empty(0, dtype=torch.long)
    for _ in range(recipe.steps):
        while len(waiting) < recipe.batch:
            waiting = torch.cat([waiting, torch.randperm(n, generator=generator)])
        yield waiting[: recipe.batch]
        waiting = waiting[recipe.batch :]


def pace(recipe: Recipe, step: int) -> float:
    """The learning rate at a step: up over a twentieth of them, then straight down."""
    rising = (step + 1) / max(1.0, recipe.steps / 20)
    return recipe.rate * min(rising, max(0.1, 1 - step / recipe.steps))


def targets(data: Any, keep: float) -> Any:
    """What to predict, ``IGNORED`` where nothing is.

    With ``keep`` below 1, tokens are left out by a hash of the four before them (goldfish
    loss, Hans et al. 2024, arXiv:2406.10209), so that copies of a passage lose the same ones.
    """
    wanted = data.clone()
    wanted[wanted == PAD] = IGNORED
    if keep < 1:
        mixed = sum(data.roll(k, dims=1) * prime for k, prime in enumerate(PRIMES, start=1))
        dropped = (mixed % 1009) >= keep * 1009
        dropped[:, : len(PRIMES)] = False
        wanted[dropped] = IGNORED
    return wanted


PRIMES = (7919, 104729, 1299709, 15485863)


def token_losses(network: Any, data: Any, wanted: Any) -> Any:
    """Mean negative log-likelihood of each row of ``data``; a tensor with gradient."""
    import torch

    logits = network(data[:, :-1])
    nll = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), wanted[:, 1:], ignore_index=IGNORED, reduction="none"
    )
    return nll.sum(1) / (wanted[:, 1:] != IGNORED).sum(1).clamp(min=1)
