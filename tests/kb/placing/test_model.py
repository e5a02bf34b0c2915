"""The model: left-out values are those of refits, and what is plain is learnt."""

from __future__ import annotations

import numpy as np
import pytest

from kb.placing.features import BLENDS, Likeness, Papers, Risks, blend, kernels, near_risks
from kb.placing.model import RIDGE, Stack, fit, predict, ridge, votes
from tests.fakes import HashEmbedder

WORDS = {
    "watermark": "green tokens mark text detector paraphrase",
    "poisoning": "training data attacker plants trigger corpus",
    "jailbreak": "prompt refuses request bypass aligned chat",
}


def world(each: int) -> tuple[Papers, Risks, np.ndarray]:
    """``each`` papers about each of three risks, words drawn at random."""
    rng = np.random.default_rng(3)
    titles, truth = [], []
    for at, (name, words) in enumerate(WORDS.items()):
        for number in range(each):
            said = rng.choice(words.split(), 4, replace=False)
            titles.append(f"{' '.join(said)} study {number} {name if number % 3 == 0 else ''}")
            truth.append(at)
    embed = HashEmbedder("test").encode
    texts = [f"{title} common words of every paper" for title in titles]
    papers = Papers(titles, texts, [[] for _ in titles], embed(texts))
    meant = list(WORDS.values())
    return papers, Risks([[name] for name in WORDS], meant, embed(meant)), np.eye(3)[truth] > 0


def test_left_out_values_are_those_of_fitting_without_the_row() -> None:
    papers, risks, truth = world(8)
    likeness = Likeness(papers, risks)
    spaces = likeness.spaces(papers)
    found = kernels(spaces, spaces)
    fitted = ridge(found, truth.astype(np.float32))
    for name in BLENDS:
        kernel = blend(found, name).astype(np.float64)
        for row in (0, 11, 23):
            rest = np.delete(np.arange(len(papers)), row)
            inner = kernel[np.ix_(rest, rest)] + RIDGE * np.eye(len(rest))
            alone = kernel[row, rest] @ np.linalg.solve(inner, truth[rest].astype(float))
            assert fitted.left_out[name][row] == pytest.approx(alone, abs=1e-4)


def test_nobody_votes_for_itself() -> None:
    cosines = np.array([[1.0, 0.1, 0.9], [0.1, 1.0, 0.2], [0.9, 0.2, 1.0]], dtype=np.float32)
    shares = votes(cosines, np.eye(3, dtype=np.float32), itself=True)[0]
    assert np.diag(shares) == pytest.approx([0, 0, 0])
    assert shares.sum(1) == pytest.approx([1, 1, 1])


def test_unseen_papers_are_put_where_their_like_stand() -> None:
    papers, risks, truth = world(14)
    known = [i for i in range(len(papers)) if i % 7]
    asked = [i for i in range(len(papers)) if not i % 7]
    likeness = Likeness(papers, risks)
    spaces = likeness.spaces(papers.only(known))
    near = near_risks(papers.only(known), risks, likeness)
    learnt = fit(kernels(spaces, spaces), near, truth[known], truth[known])
    against = kernels(likeness.spaces(papers.only(asked)), spaces)
    sure, kinds = predict(learnt, against, near_risks(papers.only(asked), risks, likeness))
    assert ((sure >= 0) & (sure <= 1)).all()
    assert (sure.argmax(1) == truth[asked].argmax(1)).mean() >= 0.8
    assert (kinds.argmax(1) == truth[asked].argmax(1)).mean() >= 0.8


def test_the_second_level_believes_the_signal_that_tells() -> None:
    rng = np.random.default_rng(5)
    truth = np.eye(6)[rng.integers(0, 6, 200)] > 0
    signals = rng.normal(size=(200, 6, 6))
    signals[..., 5] += 3 * truth
    stack = Stack().fit(signals, truth)
    assert stack.weights.argmax() == 5
    sure = stack.confidence(signals)
    best = sure.max(1)
    right = truth[np.arange(200), sure.argmax(1)]
    assert abs(best.mean() - right.mean()) < 0.1  # confidence means what it says
