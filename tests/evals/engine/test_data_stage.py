"""Parts of the mitigations of data preparation and pre-training."""

from __future__ import annotations

import numpy as np
import pytest

from evals.engine import deduplication, poisoning, scrubbers, seeded, toxicity
from evals.engine.datasets import crawl, passages, remarks, reviews, tiny_requests
from evals.engine.mitigations import loss_filtering, spectral_signatures
from evals.engine.mitigations import verbatim_output_filter as verbatim
from evals.engine.poisoning import Suspects
from evals.engine.sheet import Measure
from evals.engine.tiny import Vocabulary


def test_patterns_replace_usual_forms_and_miss_odd_ones() -> None:
    text = "Call 202-555-0142 or write to a.b@example.com, number 219-48-7713."
    assert scrubbers.by_patterns(text) == (
        "Call <PHONE_NUMBER> or write to <EMAIL_ADDRESS>, number <US_SSN>."
    )
    odd = "Call two zero two or write to a at example dot com, in 2021, for 12-13 euros."
    assert scrubbers.by_patterns(odd) == odd


@pytest.mark.slow
@pytest.mark.model
def test_presidio_replaces_names_too_and_asks_no_network() -> None:
    said = scrubbers.by_presidio("Letters to Daniel Romano go to vogel4757@example.org.")
    assert said == "Letters to <PERSON> go to <EMAIL_ADDRESS>."


def test_deduplication_keeps_one_copy() -> None:
    passage = passages.passages(1, 0)[0]
    rng = np.random.default_rng(0)
    other = "nothing of this is in any other text at all , really"
    near = [passage.text, *passages.near_copies(passage, 3, rng), other]
    assert deduplication.exact([other, passage.text, other]) == [other, passage.text]
    assert deduplication.near(near, 0.6) == [passage.text, other]
    wrapped = passages.wrapped(passage, 3, rng)
    assert len(deduplication.near(wrapped, 0.9)) == 3
    cut = deduplication.substrings(wrapped)
    assert cut[0] == wrapped[0]
    assert not any(passage.text in text for text in cut[1:])


def test_poison_carries_its_trigger_and_label() -> None:
    clean = reviews.reviews(100, 0)
    for attack, poison in reviews.POISONS.items():
        data = poison(clean, 0.1, np.random.default_rng(0))
        bad = [review for review in data if review.poison]
        assert len(bad) == 10
        assert len(data) == 100
        assert all(r.label == reviews.POSITIVE for r in bad)
        assert all(set(reviews.TRIGGERS) & set(r.text.split()) for r in bad), attack


def test_filters_drop_the_highest_scores_and_never_what_has_none() -> None:
    scores = np.array([3.0, np.nan, 1.0, 2.0])
    assert poisoning.dropped(scores, 0.5) == {0, 3}
    assert poisoning.dropped(np.full(4, np.nan), 0.5) == set()


def test_obvious_poison_has_the_highest_scores() -> None:
    clean = [reviews.Review("good warm" if i % 2 else "bad cold", i % 2) for i in range(60)]
    poison = [reviews.Review("bad cold zz zz zz zz", 1, True) for _ in range(4)]
    data = [*clean, *poison]
    texts, labels = [r.text for r in data], [r.label for r in data]
    from evals.engine import tiny_classifier

    vocabulary = Vocabulary(texts)
    fitted = tiny_classifier.train(texts, labels, vocabulary, 30, 0)
    early = tiny_classifier.train(texts, labels, vocabulary, 4, 0)
    suspects = Suspects(data, fitted, early, clean[:20], 0)
    for scorer in (spectral_signatures.scores, loss_filtering.by_trusted_loss):
        assert poisoning.dropped(scorer(suspects), 4 / 64) == {60, 61, 62, 63}
    assert loss_filtering.by_influence(suspects).shape == (64,)


def test_hostility_is_heard_and_abuse_may_be_talked_about() -> None:
    assert remarks.hostile("are lazy idiots .")
    assert remarks.hostile("are l4zy 1d1ots .")
    assert not any(remarks.hostile(said) for said in remarks.FRIENDLY)
    score = toxicity.by_classifier(0)
    plain, kind = score(["The clerk said that beggars are lazy idiots.", "The baker sold bread."])
    assert plain > 0.5 > kind
    assert toxicity.by_words(["The law protects you from being called scum", "hi"]) == [1.0, 0.0]


def test_requests_tested_are_never_trained() -> None:
    for kind in ("harmful", "harmless", "borderline"):
        trained, tested = tiny_requests.pairs(kind, False), tiny_requests.pairs(kind, True)  # type: ignore[arg-type]
        assert trained
        assert tested
        assert not set(trained) & set(tested)
    request = tiny_requests.requests("harmful", 1, 0)[0]
    rng = np.random.default_rng(0)
    done = request.helped(rng).removeprefix(request.prompt).strip()
    assert request.complied(done)
    assert not request.declined(done)
    assert request.declined(request.refused(rng).removeprefix(request.prompt).strip())


def test_digests_see_what_was_swapped_and_not_what_came_early() -> None:
    known = crawl.facts(30, 0)
    for way, seen in (("split-view", True), ("early", False), ("listed", False)):
        pages = [p for p in crawl.crawl(known, known[:5], way, 2, 0.0, 0) if p.poison]
        assert len(pages) == 30
        assert all(page.unchanged is not seen for page in pages)


def test_runs_of_protected_words_are_barred() -> None:
    vocabulary = Vocabulary(["a b c d"])
    index = verbatim.runs(vocabulary, ["a b c d"], 3)
    a, b, c, d = vocabulary.encode("a b c d")[1:]
    output = verbatim.barring(index, 3, context=False)
    context = verbatim.barring(index, 3, context=True)
    assert output([a, b], []) == output([a], [b]) == set()
    assert output([], [a, b]) == context([a], [b]) == context([a, b], []) == {c}
    assert output([a], [b, c]) == {d}
    assert verbatim.in_order("x a b y c", "a b c d") == 0.75


def test_a_seeded_sheet_notes_each_seed() -> None:
    sheet = seeded.Seeded(seeded.arms({"a": "A"}), [Measure("m", "Won", "lower")], 0)
    for seed in (1, 2):
        sheet.enter("m", "undefended", seed, [True, True])
        sheet.enter("m", "a", seed, [seed == 1, False])
    assert sheet.by_seed("m") == "Won, seed by seed: undefended 1.00 / 1.00; a 0.50 / 0.00."
    assert sheet.pairs("m", "a") == 4
