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
from .tuning import Example, answer_losses

CONTEXTS = ("", "Good morning. ", "For my school project: ")
STEPS, RATE = 15, 0.5
NEAR, FREE_STEPS, FREE_RATE = 5e-3, 15, 1e-3
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

        keys = torch.cat([self._inputs(question)[0] for question in questions])
        spread = keys.T @ keys / len(keys)
        return spread + RIDGE * spread.diagonal().mean() * torch.eye(len(spread))

    def key(self, edit: Edit) -> Any:
        """The mean key at the subject's last token over a few contexts, of shape (inner,)."""
        import torch

        found = []
        for context in CONTEXTS:
            keys, place = self._inputs(context + edit.question, edit.subject)
            found.append(keys[place])
        return torch.stack(found).mean(dim=0)

    def _inputs(self, question: str, subject: str = "") -> tuple[Any, int]:
        """What enters the matrix at each token, and the place of the subject's last token."""
        import torch

        seen: list[Any] = []
        hook = self.module.register_forward_pre_hook(lambda m, given: seen.append(given[0]))
        ids, place = self._ids(question, subject)
        with torch.inference_mode():
            self.model.model(input_ids=torch.tensor([ids]))
        hook.remove()
        return seen[0][0], place

    def _ids(self, question: str, subject: str) -> tuple[list[int], int]:
        text = self.model.render(self.ask(question))
        tokens = self.model.tokenizer
        ids: list[int] = tokens(text, add_special_tokens=False)["input_ids"]
        if not subject:
            return ids, -1
        upto = text[: text.rindex(subject) + len(subject)]
        return ids, len(tokens(upto, add_special_tokens=False)["input_ids"]) - 1

    def value(self, edit: Edit) -> Any:
        """The matrix's output at the subject that makes the new answer follow; (hidden,)."""
        import torch

        examples = [Example(self.ask(context + edit.question), edit.answer) for context in CONTEXTS]
        places = [self._ids(context + edit.question, edit.subject)[1] for context in CONTEXTS]
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


def rank_one(memory: Memory, edit: Edit, spread: Any) -> None:
    """Edit the matrix in place so that the subject's key maps to the wanted value."""
    import torch

    key = memory.key(edit)
    value = memory.value(edit)
    towards = torch.linalg.solve(spread, key)
    gap = value - memory.weight.detach() @ key
    change = torch.outer(gap, towards / (towards @ key))
    memory.weight.data += change


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
