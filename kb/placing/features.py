"""How alike papers are, and how near a paper is to a risk: the inputs of the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Matrix = np.ndarray
# Weights of each likeness in each blend that a ridge regression is fitted on.
BLENDS: dict[str, dict[str, float]] = {
    "meaning": {"meaning": 1},
    "words": {"words": 1, "title": 1, "spelling": 0.5},
    "both": {"meaning": 1, "words": 2, "title": 1, "spelling": 1},
    "all": {"meaning": 1, "words": 1, "title": 1, "spelling": 0.5, "lists": 0.6},
}
SHARPER = 3  # a cosine to this power: near papers count for more
STEM = 6


@dataclass
class Papers:
    """Rows of papers: titles, texts, the public lists that name them, vectors (n, d)."""

    titles: list[str]
    texts: list[str]
    lists: list[list[str]]
    vectors: Matrix

    def __len__(self) -> int:
        return len(self.titles)

    def only(self, rows: list[int]) -> Papers:
        """Some of the rows, in that order."""
        pick = [(self.titles[i], self.texts[i], self.lists[i]) for i in rows]
        titles, texts, lists = (list(column) for column in zip(*pick, strict=True))
        return Papers(titles, texts, lists, self.vectors[rows])


@dataclass
class Risks:
    """Rows of risks: all names of each, definitions, vectors (r, d)."""

    names: list[list[str]]
    definitions: list[str]
    vectors: Matrix


class Likeness:
    """TF-IDF spaces learnt, without labels, from all texts at hand."""

    def __init__(self, papers: Papers, risks: Risks) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        words: dict[str, Any] = {"sublinear_tf": True, "stop_words": "english"}
        self.words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, **words)
        self.title = TfidfVectorizer(ngram_range=(1, 2), **words)
        self.spelling = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 5), min_df=3, sublinear_tf=True
        )
        self.lists = TfidfVectorizer(analyzer=_same)
        self.words.fit([*papers.texts, *risks.definitions])
        self.title.fit(papers.titles)
        self.spelling.fit(papers.titles)
        self.lists.fit([*papers.lists, ["none"]])

    def spaces(self, papers: Papers) -> dict[str, Any]:
        """Each paper's row in every space; all rows have length one or zero."""
        return {
            "meaning": papers.vectors,
            "words": self.words.transform(papers.texts),
            "title": self.title.transform(papers.titles),
            "spelling": self.spelling.transform(papers.titles),
            "lists": self.lists.transform(papers.lists),
        }


def _same(row: list[str]) -> list[str]:
    return row


def kernels(rows: dict[str, Any], train: dict[str, Any]) -> dict[str, Matrix]:
    """{space: cosines of shape (rows, train)}, those of meaning sharpened."""
    found = {}
    for name, one in rows.items():
        product = one @ train[name].T
        dense = product if isinstance(product, np.ndarray) else product.toarray()
        found[name] = np.asarray(dense, dtype=np.float32)
    found["cosine"] = found["meaning"]
    found["meaning"] = np.maximum(found["cosine"], 0) ** SHARPER
    return found


def blend(found: dict[str, Matrix], name: str) -> Matrix:
    """The weighted sum of likenesses that a blend stands for."""
    return np.asarray(sum(w * found[space] for space, w in BLENDS[name].items()))


def near_risks(papers: Papers, risks: Risks, likeness: Likeness) -> list[Matrix]:
    """Features (n, r) that need no labels: definition, and names found in the text."""
    by_words = (
        likeness.words.transform(papers.texts) @ likeness.words.transform(risks.definitions).T
    )
    in_title, in_text = (_named(texts, risks.names) for texts in (papers.titles, papers.texts))
    stems = [[_stems(name) for name in names] for names in risks.names]
    return [
        papers.vectors @ risks.vectors.T,
        by_words.toarray(),
        in_title,
        in_text,
        _overlap(papers.titles, stems),
        _overlap(papers.texts, stems),
    ]


def _named(texts: Sequence[str], names: list[list[str]]) -> Matrix:
    """Words of the longest name of the risk that occurs in the text; 0 for none."""
    low = [[name.lower() for name in row] for row in names]
    rows = [
        [max((name.count(" ") + 1 for name in row if name in text), default=0) for row in low]
        for text in map(str.lower, texts)
    ]
    return np.array(rows, dtype=np.float32)


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:STEM] for word in re.findall(r"[a-z]{3,}", text.lower()))


def _overlap(texts: Sequence[str], stems: list[list[frozenset[str]]]) -> Matrix:
    """The largest share of a name's word stems that stand in the text."""
    rows = [
        [max((len(name & found) / len(name) for name in row if name), default=0.0) for row in stems]
        for found in map(_stems, texts)
    ]
    return np.array(rows, dtype=np.float32)
