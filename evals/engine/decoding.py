"""Greedy decoding of many prompts that begin alike: what they share is computed once.

Nearly all of a run's time goes into reading prompts, and most prompts of an experiment share
their system message, their instruction or their document. A batch is read in three levels: the
words that all its rows begin with, the beginnings that some rows share ("stems"), the rest of
each row. Rows that have ended are dropped from the batch. In exact arithmetic the answers are
those of each prompt alone; in bfloat16 they differ by rounding, in the same way each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Tokens = tuple[int, ...]
ROOM = 12_000  # tokens of a batch, which decide how much memory it takes
DROP = 0.75  # of the rows still open, below which the ended ones leave the batch

REST = 8  # tokens by which the rests of one batch may differ
LONG = 0.3  # of a row that a shared beginning must be


@dataclass(frozen=True)
class Stem:
    """A beginning and the rows that have it."""

    tokens: Tokens
    rows: tuple[Tokens, ...]


class Reader:
    """A batch in the middle of being read: the cache, what of it is padding, the last logits."""

    def __init__(self, model: Any, pad: int) -> None:
        import torch

        from .growing import cache

        self.model, self.pad, self.cache = model, pad, cache()
        self.mask = torch.zeros(1, 0, dtype=torch.long)
        self.logits: Any = None

    def read(self, rows: Sequence[Sequence[int]]) -> None:
        """Read on, one row of tokens for each row of the batch; they are padded on the left."""
        import torch

        width = max(map(len, rows))
        if not width:
            return
        ids = torch.tensor([[self.pad] * (width - len(row)) + list(row) for row in rows])
        seen = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        self.mask = torch.cat([self.mask, seen], dim=1)
        places = (self.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -width:]
        out = self.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=places,
            cache=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.logits = out.logits[:, -1]

    def choose(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch, in this order; a row may be taken several times."""
        import torch

        if list(rows) == list(range(len(self.mask))):
            return
        index = torch.tensor(list(rows))
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
        self.logits = self.logits[index] if self.logits is not None else None


def common(rows: Sequence[Tokens]) -> int:
    """How many tokens all rows begin with; each keeps at least its last for itself."""
    first, last = min(rows), max(rows)
    most = max(0, min(map(len, rows)) - 1)
    return next((i for i in range(most) if first[i] != last[i]), most)


def stems(rows: Sequence[Tokens]) -> list[Stem]:
    """Rows grouped by long beginnings; a row that shares none stands alone.

    A row joins the group before it (in the order of their tokens) where that saves more than
    the shorter beginning costs. What all rows share counts for nothing: it is read once.
    """
    found: list[Stem] = []
    start = common(rows) if len(rows) > 1 else 0
    for row in sorted(set(rows)):
        if found and (wider := _joined(found[-1], row, start)):
            found[-1] = wider
        else:
            found.append(Stem(row[: common([row])], (row,)))
    return found


def _joined(stem: Stem, row: Tokens, start: int) -> Stem | None:
    """The stem with one more row, if that is worth while."""
    rows = (*stem.rows, row)
    # Rows come in order, so that what the first and the last begin with is common to all.
    shared = min(len(stem.tokens), common((stem.rows[0], row)))
    new, old = (shared - start) * (len(rows) - 1), (len(stem.tokens) - start) * (len(rows) - 2)
    long = shared - start >= LONG * (len(row) - start)
    return Stem(row[:shared], rows) if long and new > old else None


def batches(rows: Sequence[Tokens], size: int) -> Iterator[list[Stem]]:
    """Stems of like length together, up to ``size`` rows at a time; the make-up is fixed."""
    batch: list[Stem] = []
    size = min(size, max(1, ROOM // max(map(len, rows), default=1)))
    for stem in sorted(_cut(stems(rows), size), key=_size):
        if batch and sum(len(s.rows) for s in batch) + len(stem.rows) > size:
            yield batch
            batch = []
        batch.append(stem)
    if batch:
        yield batch


def _cut(found: Sequence[Stem], size: int) -> Iterator[Stem]:
    """Groups no larger than a batch."""
    for stem in found:
        for i in range(0, len(stem.rows), size):
            part = stem.rows[i : i + size]
            yield Stem(part[0][: common(part)], part)


def _size(stem: Stem) -> tuple[int, int, tuple[Tokens, ...]]:
    """Padding is least where stems of one batch are alike in length, and so are their rests."""
    rest = max(map(len, stem.rows)) - len(stem.tokens)
    return rest // REST, len(stem.tokens), stem.rows


def answers(model: Any, batch: Sequence[Stem], count: int, pad: int) -> dict[Tokens, list[int]]:
    """Up to ``count`` new tokens for each row of a batch, without the one that ends it."""
    import torch

    rows = [row for stem in batch for row in stem.rows]
    start = common(rows) if len(rows) > 1 else 0
    with torch.inference_mode():
        reader = Reader(model, pad)
        reader.read([rows[0][:start]])
        reader.choose([0] * len(batch))
        reader.read([stem.tokens[start:] for stem in batch])
        reader.choose([place for place, stem in enumerate(batch) for _ in stem.rows])
        reader.read([row[len(stem.tokens) :] for stem in batch for row in stem.rows])
        return dict(zip(rows, _go_on(reader, count, ends(model)), strict=True))


def _go_on(reader: Reader, count: int, stop: set[int]) -> list[list[int]]:
    """The likeliest next token of every row, again and again."""
    said: list[list[int]] = [[] for _ in range(len(reader.mask))]
    here, live = list(range(len(said))), set(range(len(said)))
    for left in range(count, 0, -1):
        tokens = reader.logits.argmax(dim=1).tolist()
        for row, token in zip(here, tokens, strict=True):
            if row in live and token in stop:
                live.remove(row)
            elif row in live:
                said[row].append(token)
        if not live or left == 1:
            break
        if len(live) <= DROP * len(here):
            kept = [place for place, row in enumerate(here) if row in live]
            reader.choose(kept)
            here, tokens = [here[place] for place in kept], [tokens[place] for place in kept]
        reader.read([[token] for token in tokens])
    return said


def ends(model: Any) -> set[int]:
    """The tokens that end an answer."""
    found = model.generation_config.eos_token_id
    return set(found) if isinstance(found, list) else {found}
