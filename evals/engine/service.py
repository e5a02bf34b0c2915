"""A small text classifier sold as a service, and what is done to steal from it.

The service tells which library a paragraph of documentation comes from: word counts (TF-IDF)
and a softmax regression, trained on paragraphs that only its owner has. It is as over-fitted
as such services are, so both its decisions and its training data leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .datasets import prose
from .registry import Target, add_target

TARGET = add_target(
    Target(
        slug="library-classifier",
        name="Text classifier as a service",
        summary=(
            "Tells which of six libraries a paragraph of documentation comes from. Trained anew "
            "in each run, and over-fitted, so that its answers give away what it was trained on."
        ),
        gives=("text", "logprobs"),
    )
)
EACH = 220  # paragraphs of a library, so that no class is much larger
SHARES = {"private": 0.4, "pool": 0.4}  # the rest is reported


@dataclass(frozen=True)
class Text:
    """A paragraph, the library it comes from, and its number among all."""

    text: str
    label: int
    id: int


@dataclass(frozen=True)
class Split:
    """What the owner trains on, what others can get, and what is reported."""

    private: list[Text]
    pool: list[Text]
    test: list[Text]


def split(seed: int) -> Split:
    """All paragraphs, dealt out by the seed; no paragraph stands in two parts."""
    every = [
        (text, label)
        for label, library in enumerate(prose.LIBRARIES)
        for text in prose.paragraphs(library)[:EACH]
    ]
    rows = [Text(text, label, i) for i, (text, label) in enumerate(every)]
    order = np.random.default_rng([seed, 11]).permutation(len(rows))
    first = int(SHARES["private"] * len(rows))
    second = first + int(SHARES["pool"] * len(rows))
    parts = order[:first], order[first:second], order[second:]
    return Split(*([rows[i] for i in part] for part in parts))


class Classifier:
    """TF-IDF and softmax regression; ``strength`` is the inverse of its regularisation."""

    def __init__(self, strength: float = 100.0) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self._words = TfidfVectorizer(sublinear_tf=True, min_df=1)
        self._model = LogisticRegression(C=strength, max_iter=200, tol=1e-3)
        self._classes = len(prose.LIBRARIES)

    def fit(self, texts: Sequence[str], answers: np.ndarray) -> Classifier:
        """Learn from probabilities of shape (texts, classes), or rows that are all on one class."""
        rows, columns = np.nonzero(answers > 1e-3)
        features = self._words.fit_transform(texts)[rows]
        if len(set(columns)) > 1:
            self._model.fit(features, columns, sample_weight=answers[rows, columns])
        else:
            self._model.classes_ = columns[:1]
        return self

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities of shape (texts, classes)."""
        found = np.zeros((len(texts), self._classes))
        known = self._model.classes_
        if len(known) == 1:
            found[:, known] = 1.0
            return found
        found[:, known] = self._model.predict_proba(self._words.transform(texts))
        return found


def trained(rows: Sequence[Text], strength: float = 100.0) -> Classifier:
    """A classifier trained on the true labels of ``rows``."""
    answers = np.eye(len(prose.LIBRARIES))[[row.label for row in rows]]
    return Classifier(strength).fit([row.text for row in rows], answers)


def copied(queries: Sequence[Text], answers: np.ndarray) -> Classifier:
    """The copy that an attacker trains on the service's answers of shape (queries, classes)."""
    return Classifier(strength=10.0).fit([row.text for row in queries], answers)


def active(pool: Sequence[Text], answers: np.ndarray, budget: int, seed: int) -> list[int]:
    """Places in the pool that an attacker asks who spends the budget where its copy doubts.

    Uncertainty sampling (Lewis & Gale 1994) in five rounds; ``answers`` are the service's.
    """
    rng = np.random.default_rng([seed, 13])
    chosen = [int(i) for i in rng.permutation(len(pool))[: max(1, budget // 5)]]
    for part in range(1, 5):
        copy = copied([pool[i] for i in chosen], answers[chosen])
        doubt = copy.predict([row.text for row in pool]).max(axis=1)
        doubt[chosen] = 2.0
        wanted = budget * (part + 1) // 5 - len(chosen)
        chosen += [int(i) for i in np.argsort(doubt, kind="stable")[: max(0, wanted)]]
    return chosen


def topics(texts: Sequence[Text], count: int, seed: int) -> np.ndarray:
    """Each text's group among ``count`` groups of like words; of shape (texts,)."""
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer

    features = TfidfVectorizer(sublinear_tf=True, max_features=2000).fit_transform(
        [row.text for row in texts]
    )
    found: Any = KMeans(count, n_init=1, random_state=seed).fit_predict(features)
    return np.asarray(found)
