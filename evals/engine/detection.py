"""Telling a model's text from people's: scores that are higher for machine text.

``likelihood`` is the mean log-probability under the model. ``curvature`` compares it with what
the model would expect of its own samples, in closed form (Fast-DetectGPT, Bao et al. 2023,
arXiv:2310.05130). ``classifier`` is a linear model of words and word pairs, trained on other
texts of both kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .language_model import LanguageModel

Detector = Callable[[Sequence[str]], list[float]]


def once(judge: Detector) -> Detector:
    """The same detector, which scores a text once however often it is asked."""
    known: dict[str, float] = {}

    def score(texts: Sequence[str]) -> list[float]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, judge(new), strict=True) if new else ())
        return [known[text] for text in texts]

    return score


def by_likelihood(model: LanguageModel) -> Detector:
    """The mean log-probability of a text's tokens, in nats."""
    return lambda texts: [-float(np.mean(row)) if row else 0.0 for row in model.losses(list(texts))]


def by_curvature(model: LanguageModel) -> Detector:
    """How far a text's log-probability is above its expectation, in standard deviations."""
    return lambda texts: [curvature(model, text) for text in texts]


def curvature(model: LanguageModel, text: str) -> float:
    """The discrepancy of one text; 0 where it has fewer than two tokens."""
    import torch

    ids = model.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    if ids.shape[1] < 2:
        return 0.0
    with torch.inference_mode():
        logs = model.model(input_ids=ids).logits[0, :-1].float().log_softmax(dim=1)
        found = logs.gather(1, ids[0, 1:, None]).squeeze(1)
        chances = logs.exp()  # tokens times vocabulary: each pass over it counts
        expected = torch.linalg.vecdot(chances, logs)
        spread = torch.linalg.vecdot(chances.mul_(logs), logs) - expected.square()
    return float((found - expected).sum() / spread.sum().clamp(min=1e-6).sqrt())


def by_classifier(machine: Sequence[str], people: Sequence[str]) -> Detector:
    """The log-odds of a text being a machine's, learned from these examples."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    made = make_pipeline(words, LogisticRegression(C=10.0, max_iter=400))
    made.fit([*machine, *people], [1] * len(machine) + [0] * len(people))
    return lambda texts: [float(x) for x in made.decision_function(list(texts))]
