"""Changing one fact in a model's weights: a rank-one edit, and fine-tuning held close.

The rank-one edit is ROME (Meng et al. 2022, arXiv:2202.05262): a layer's MLP output matrix is
taken as a memory from keys to values. The key is what enters it at the subject's last token,
averaged over a few contexts; the value is found by gradient so that the new answer follows;
the matrix is then moved by the least amount, in the metric of ordinary keys, that maps one to
the other. The other edit descends on the new answer and keeps every weight of the same matrix
within a small distance of where it was (Zhu et al. 2020, arXiv:2012.00363).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .language_model import Chat, LanguageModel
from .tuning import Example, answer_losses, encode

CONTEXTS = ("", "Good morning. ", "For my school project: ")
SOUGHT = 2  # of them serve to find the value
STEPS, RATE = 15, 0.5
NEAR, FREE_STEPS, FREE_RATE = 1e-2, 20, 2e-3
DECAY, RIDGE = 0.05, 0.02
MAX_TOKENS = 96


@dataclass(frozen=True)
class Edit:
    """A question about a subject, and the answer that it is to get."""

    subject: str
    question: str
    answer: str


class Memory:
    """One MLP output matrix of a model, and the statistics of the keys that reach it.

    The matrix runs in single precision from then on, since half precision would round small
    edits away; give it a copy of the model.
    """

    def __init__(self, model: LanguageModel, layer: int, ask: Callable[[str], Chat]) -> None:
        self.model, self.ask = model, ask
        model.model.requires_grad_(False)
        self.module = model.model.model.layers[layer].mlp.down_proj
        kind = self.module.weight.dtype
        self.module.float()
        self.module.register_forward_pre_hook(lambda module, given: (given[0].float(),))
        self.module.register_forward_hook(lambda module, given, out: out.to(kind))
        self.original = self.module.weight.detach().clone()

    @property
    def weight(self) -> Any:
        """The matrix, of shape (hidden, inner)."""
        return self.module.weight

    def restore(self) -> None:
        """Put the matrix back as it was."""
        self.weight.data.copy_(self.original)

    def ordinary(self, questions: Sequence[str]) -> Any:
        """The mean outer product of keys at every token of ordinary questions, with a ridge.

        Of shape (inner, inner), in single precision.
        """
        import torch

        keys = torch.cat([self._keys(questions[i : i + 32]) for i in range(0, len(questions), 32)])
        spread = keys.T @ keys / len(keys)
        return spread + RIDGE * spread.diagonal().mean() * torch.eye(len(spread))

    def _keys(self, questions: Sequence[str]) -> Any:
        """What enters the matrix at every token of these questions, of shape (tokens, inner)."""
        examples = [Example(self.ask(question), "") for question in questions]
        ids, _, mask = encode(self.model, examples, MAX_TOKENS)
        return self._watch(ids, mask)[mask.bool()]

    def _watch(self, ids: Any, mask: Any) -> Any:
        """What enters the matrix, of shape (rows, length, inner)."""
        import torch

        seen: list[Any] = []
        hook = self.module.register_forward_pre_hook(lambda m, given: seen.append(given[0]))
        with torch.inference_mode():
            self.model.model(input_ids=ids, attention_mask=mask)
        hook.remove()
        return seen[0]

    def key(self, edit: Edit) -> Any:
        """The mean key at the subject's last token over a few contexts, of shape (inner,)."""
        import torch

        found = []
        for context in CONTEXTS:
            ids, place = self._ids(context + edit.question, edit.subject)
            row = torch.tensor([ids])
            found.append(self._watch(row, torch.ones_like(row))[0, place])
        return torch.stack(found).mean(dim=0)

    def _ids(self, question: str, subject: str) -> tuple[list[int], int]:
        text = self.model.render(self.ask(question))
        tokens = self.model.tokenizer
        ids: list[int] = tokens(text, add_special_tokens=False)["input_ids"]
        upto = text[: text.rindex(subject) + len(subject)]
        return ids, len(tokens(upto, add_special_tokens=False)["input_ids"]) - 1

    def value(self, edit: Edit) -> Any:
        """The matrix's output at the subject that makes the new answer follow; (hidden,)."""
        import torch

        asked = [context + edit.question for context in CONTEXTS[:SOUGHT]]
        examples = [Example(self.ask(question), edit.answer) for question in asked]
        places = [self._ids(question, edit.subject)[1] for question in asked]
        start = self._output(edit)
        shift = torch.zeros_like(start, requires_grad=True)
        optimiser = torch.optim.Adam([shift], lr=RATE * float(start.norm()) / len(start) ** 0.5)
        for _ in range(STEPS):
            with self._shifted(shift, places):
                loss = answer_losses(self.model, examples, MAX_TOKENS).mean()
            loss = loss + DECAY * (shift.norm() / start.norm()) ** 2
            (shift.grad,) = torch.autograd.grad(loss, [shift])
            optimiser.step()
        return (start + shift).detach()

    def _output(self, edit: Edit) -> Any:
        return self.weight.detach() @ self.key(edit)

    @contextmanager
    def _shifted(self, shift: Any, places: Sequence[int]) -> Iterator[None]:
        """Add ``shift`` to the matrix's output at one place of each row while this is open."""

        def move(module: Any, given: Any, out: Any) -> Any:
            moved = out.clone()
            for row, place in enumerate(places):
                moved[row, place] = moved[row, place] + shift.to(out.dtype)
            return moved

        hook = self.module.register_forward_hook(move)
        try:
            yield
        finally:
            hook.remove()


def association(memory: Memory, edit: Edit) -> tuple[Any, Any]:
    """The key and the value that a rank-one edit is to join, sought on the matrix as it is."""
    return memory.key(edit), memory.value(edit)


def join(memory: Memory, key: Any, value: Any, spread: Any) -> None:
    """Change the matrix in place, by one rank, so that ``key`` maps to ``value``."""
    import torch

    towards = torch.linalg.solve(spread, key)
    gap = value - memory.weight.detach() @ key
    memory.weight.data += torch.outer(gap, towards / (towards @ key))


def held_close(memory: Memory, edit: Edit) -> None:
    """Tune the matrix on the new answer, no weight further than ``NEAR`` from where it was."""
    import torch

    start = memory.weight.detach().clone()
    moved = start.clone()
    optimiser = torch.optim.Adam([moved], lr=FREE_RATE)
    example = [Example(memory.ask(edit.question), edit.answer)]
    memory.weight.requires_grad_(True)
    for _ in range(FREE_STEPS):
        loss = answer_losses(memory.model, example, MAX_TOKENS).mean()
        (found,) = torch.autograd.grad(loss, [memory.weight])
        moved.grad = found
        optimiser.step()
        moved.clamp_(start - NEAR, start + NEAR)
        memory.weight.data.copy_(moved)
    memory.weight.requires_grad_(False)
