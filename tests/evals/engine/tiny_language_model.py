"""A language model of a few thousand weights, with SmolLM2's shape and words as tokens.

It knows nothing, but trains, samples and is edited like the real one, in milliseconds.
"""

from __future__ import annotations

from functools import lru_cache

from evals.engine import datasets
from evals.engine.datasets import applicants, facts
from evals.engine.language_model import LanguageModel

TEMPLATE = (
    "{% for m in messages %}<s> {{ m['role'] }} {{ m['content'] }}{% if not loop.last or not "
    "continue_final_message %} </s> {% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<s> assistant {% endif %}"
)


@lru_cache
def tiny() -> LanguageModel:
    """The model with its first, random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    torch.set_num_threads(1)  # more would only wait for each other
    torch.manual_seed(0)
    return LanguageModel(LlamaForCausalLM(config).eval(), tokenizer, "tiny", "0" * 64)


def _tokenizer():  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    found = Tokenizer(models.WordLevel(unk_token="<unk>"))
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    trainer = trainers.WordLevelTrainer(special_tokens=list(names.values()))
    words = [f.ask(i, r) + " " + f.answer for f in facts.known() for i in range(3) for r in (0, 1)]
    words += [a.text() + " Yes No" for a in applicants.applications(200, 0, "test")]
    found.train_from_iterator([*words, *datasets.benign(), facts.SYSTEM], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=found, chat_template=TEMPLATE, **names)
