"""Guards: classifiers that tell harmful texts from harmless ones, trained on bundled texts.

A guard's threshold is the score that stops the wanted share of its harmless training texts,
each scored by a guard that had not seen it (five folds). Nothing reported takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evals.engine import hidden
from evals.engine.language_model import LanguageModel

FOLDS = 5
Features = Callable[[Sequence[str]], Any]


@dataclass(frozen=True)
class Guard:
    """Scores texts, higher is worse, and stops those above its threshold."""

    name: str
    label: str
    score: Callable[[Sequence[str]], list[float]]
    threshold: float

    def stops(self, text: str) -> bool:
        """Whether the guard takes a text for harmful."""
        return self.score([text])[0] > self.threshold


def words(
    name: str, label: str, harmful: Sequence[str], harmless: Sequence[str], false_alarms: float
) -> Guard:
    """A guard on words and pairs of words (TF-IDF, logistic regression)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    first = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return _fitted(name, label, [first], lambda texts: list(texts), harmful, harmless, false_alarms)


def states(
    name: str,
    label: str,
    model: LanguageModel,
    harmful: Sequence[str],
    harmless: Sequence[str],
    false_alarms: float,
) -> Guard:
    """A guard on the model's own hidden states, halfway up, averaged over the text."""
    from sklearn.preprocessing import StandardScaler

    layer = hidden.middle(model)

    def features(texts: Sequence[str]) -> Any:
        chats = [[{"role": "user", "content": text}] for text in texts]
        return hidden.states(model, chats, layer, "mean")

    return _fitted(name, label, [StandardScaler()], features, harmful, harmless, false_alarms)


def _fitted(
    name: str,
    label: str,
    before: list[Any],
    features: Features,
    harmful: Sequence[str],
    harmless: Sequence[str],
    false_alarms: float,
) -> Guard:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    given = features([*harmful, *harmless])
    labels = [1] * len(harmful) + [0] * len(harmless)
    classifier = make_pipeline(
        *before, LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000)
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    unseen = cross_val_predict(classifier, given, labels, cv=folds, method="decision_function")
    classifier.fit(given, labels)
    cut = float(np.quantile(unseen[len(harmful) :], 1 - false_alarms, method="higher"))

    def score(texts: Sequence[str]) -> list[float]:
        return [float(value) for value in classifier.decision_function(features(texts))]

    return Guard(name, label, score, cut)
