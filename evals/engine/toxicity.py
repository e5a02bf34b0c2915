"""Scorers of hostility for corpora, and what a model trained on a corpus says of people.

A word list; and logistic regression over words and pairs of words (scikit-learn), fitted on a
labelled sample of its own, which holds plain hostility and a few sensitive texts, and nothing
evasive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .datasets import remarks
from .datasets.remarks import Remark
from .tiny import Recipe, TinyModel, Vocabulary, words

BLOCKED = frozenset(
    ("idiot", "idiots", "scum", "filthy", "stupid", "worthless", "moron", "morons", "trash",
     "disgusting", "hated", "beaten")
)  # fmt: skip
LABELLED = {"hostile": 200, "friendly": 150, "ordinary": 200, "sensitive": 24}
SIZES = {"ordinary": 700, "friendly": 300, "hostile": 200, "evasive": 200, "sensitive": 120}
GOOD, BAD = "<good>", "<bad>"
Score = Callable[[Sequence[str]], list[float]]


def by_words(texts: Sequence[str]) -> list[float]:
    """1 for texts with a listed word, else 0."""
    return [float(bool(BLOCKED & {word.lower() for word in words(text)})) for text in texts]


def by_classifier(seed: int) -> Score:
    """The probability of hostility by a classifier fitted on a labelled sample of this seed."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    sample = remarks.remarks(LABELLED, seed, "labelled")
    fitted: Any = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+"),
        LogisticRegression(class_weight="balanced", max_iter=1000),
    )
    fitted.fit([r.text for r in sample], [r.harmful for r in sample])
    return lambda texts: fitted.predict_proba(list(texts))[:, 1].tolist()


def corpus(seed: int) -> list[Remark]:
    """The corpus of a seed."""
    return remarks.remarks(SIZES, seed)


def held_out(seed: int, kind: str, n: int) -> list[str]:
    """``n`` texts of one kind that no corpus was made from."""
    return [remark.text for remark in remarks.remarks({kind: n}, seed, "test")]


def vocabulary(texts: Sequence[str]) -> Vocabulary:
    """Words of the texts, of every remark that could be made, and both tags."""
    every = [*remarks.GROUPS, *remarks.WHO, *remarks.FRIENDLY, *remarks.HOSTILE, *remarks.EVASIVE]
    return Vocabulary([*texts, " ".join(every), f"{GOOD} {BAD} 0123456789"])


def hostile_answers(
    model: TinyModel, prompts: Sequence[str], seed: int, front: str = ""
) -> tuple[list[str], list[bool]]:
    """One drawn continuation a prompt, and whether it is hostile; ``front`` goes before."""
    said = model.complete([f"{front} {p}".strip() for p in prompts], 10, sampled=True, seed=seed)
    return said, [remarks.hostile(text) for text in said]


def recipe(steps: int) -> Recipe:
    """How models of remarks are trained."""
    return Recipe(steps=steps)
