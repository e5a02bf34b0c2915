"""Words, postings and freshness of the keyword leg, and the verdict on what is not here."""

from __future__ import annotations

import numpy as np
import pytest

from kb import search
from kb.models import Paper, SearchChange
from kb.search import Mode
from kb.search._changes import Feed
from kb.search._keyword import Keywords, passage
from kb.search._postings import MERGE_AT, Postings, parse
from kb.search._query import understand
from kb.search._words import Speller, Words, definitions, edits


def scores(postings: Postings, **query: float) -> dict[int, float]:
    ids, found = postings.scores(query)
    return dict(zip(ids.tolist(), found.tolist(), strict=True))


def test_a_rare_word_outweighs_a_usual_one() -> None:
    documents = {n: {"usual": (1, 0, 0, 0)} for n in range(20)} | {20: {"rare": (1, 0, 0, 0)}}
    found = scores(Postings(documents), usual=1.0, rare=1.0)
    assert found[20] > 3 * found[0] > 0


def test_idf_is_the_textbook_one() -> None:
    postings = Postings(
        {n: {"a": (1, 0, 0, 0)} if n < 3 else {"b": (1, 0, 0, 0)} for n in range(10)}
    )
    assert postings.idf("a") == pytest.approx(np.log(1 + (10 - 3 + 0.5) / (3 + 0.5)))
    assert postings.idf("nowhere") == pytest.approx(np.log(1 + 10.5 / 0.5))


def test_a_word_in_the_title_counts_for_more() -> None:
    documents = {
        1: {"x": (1, 0, 0, 0), "y": (0, 1, 0, 0)},
        2: {"y": (1, 0, 0, 0), "x": (0, 1, 0, 0)},
    }
    found = scores(Postings(documents), x=1.0)
    assert found[1] > found[2] > 0


def test_replacing_documents_is_building_anew() -> None:
    rng = np.random.default_rng(1)
    documents = {
        n: {f"w{i}": (1, 0, int(rng.integers(3)), 0) for i in rng.choice(40, 6, replace=False)}
        for n in range(MERGE_AT + 50)
    }
    changed = Postings({n: {"w1": (9, 0, 0, 0)} for n in documents})
    changed.replace(list(documents), documents)
    anew = Postings(documents)
    query = {"w1": 1.0, "w2": 1.0}
    assert scores(changed, **query) == pytest.approx(scores(anew, **query), abs=1e-5)
    changed.replace([3], {})
    assert 3 not in {pk for pk, score in scores(changed, **query).items() if score > 0}


def test_what_documents_hold_is_counted_in_and_out_of_the_overlay() -> None:
    postings = Postings({1: {"a": (1, 0, 0, 0)}, 2: {"b": (1, 0, 0, 0)}})
    postings.replace([], {3: {"a": (1, 0, 0, 0), "b": (1, 0, 0, 0)}})
    first, second, both = postings.held({"a": 1.0, "b": 1.0}, [1, 2, 3])
    assert both == pytest.approx(first + second)
    assert first == pytest.approx(postings.idf("a"))


def test_a_tsvector_is_read_with_its_weights() -> None:
    assert parse("'it''s':3B,9 'model':1A,2A,7C") == {"it's": (0, 1, 0, 1), "model": (2, 0, 1, 0)}


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("same", "same", 0),
        ("backdor", "backdoor", 1),
        ("jailbraek", "jailbreak", 1),
        ("a", "xyz", 3),
    ],
)
def test_edits(one: str, other: str, distance: int) -> None:
    assert edits(one, other, 2) == distance


def test_the_nearest_word_is_the_usual_one() -> None:
    words = dict.fromkeys(["watermarking", "watermelon", "alignment"], 30)
    assert Speller(words).nearest("watremarking") == "watermarking"
    assert Speller(words).nearest("quokka") is None


def test_definitions_of_acronyms_are_found() -> None:
    text = "We study membership inference attacks (MIA). Results (GPT) and a model (of ours)."
    assert dict(definitions(text)) == {"MIA": "membership inference attacks"}


def test_the_best_sentence_is_shown() -> None:
    text = "Nothing of note is here. The poisoned memory of agents misleads them."
    stem = {"poisoned": "poison", "memory": "memori", "agents": "agent"}
    shown = passage(text, {"poison": 2.0, "memori": 1.0, "agent": 0.5}, stem)
    assert "".join(piece for piece, _ in shown) == "The poisoned memory of agents misleads them."
    assert [piece for piece, matched in shown if matched] == ["poisoned", "memory", "agents"]
    assert passage(text, {"zebra": 1.0}, {"zebras": "zebra"}) == []


@pytest.mark.django_db
class TestInTheDatabase:
    def test_a_query_is_corrected_and_spelt_out(self) -> None:
        words = Keywords().fresh().words
        query = understand("MIA against watremarking", words)
        assert query.corrected == {"watremarking": "watermarking"}
        assert "membership inference" in query.expanded["MIA"]
        assert {"watermark", "membership", "infer"} <= query.lexemes.keys()

    def test_an_aliased_word_learnt_once_is_not_everyday(self) -> None:
        words = Words()
        words.name("XYZ", "extra long zebra")
        assert words.meanings("xyz") == ["extra long zebra"]

    def test_a_paper_is_found_by_word_once_it_is_there_and_not_after(self) -> None:
        keywords = Keywords()
        keywords.fresh()
        paper = Paper.objects.create(key="quokka-paper", title="Quokka quokka quokka", year=2025)
        pk = paper.pk
        keywords.fresh()
        ids, found = keywords.scores({"quokka": 1.0})
        assert ids[found.argmax()] == pk
        Paper.objects.filter(pk=pk).update(title="Wombats of note")
        keywords.fresh()
        assert keywords.scores({"quokka": 1.0})[1].max() == 0
        keywords.fresh()
        ids, found = keywords.scores({"wombat": 1.0})
        assert ids[found.argmax()] == pk
        paper.delete()
        keywords.fresh()
        ids, found = keywords.scores({"wombat": 1.0})
        assert pk not in set(ids[found > 0].tolist())

    def test_our_own_open_changes_are_read_again_until_they_settle(self) -> None:
        feed = Feed()
        feed.start()
        paper = Paper.objects.create(key="quokka-paper", title="Quokka", year=2025)
        assert SearchChange.objects.filter(paper_id=paper.pk).exists()
        assert paper.pk in feed.changed()
        assert paper.pk in feed.changed()

    def test_a_whole_title_is_always_answered(self) -> None:
        title = "Deduplicating Training Data Makes Language Models Better"
        assert search.rank(title, Paper.objects.all(), Mode.KEYWORD).answerable

    def test_words_that_no_paper_holds_are_not_answered(self) -> None:
        ranking = search.rank("zzqx vvkj wwqq pplm", Paper.objects.all(), Mode.KEYWORD)
        assert not ranking.answerable
        assert not search.rank("", Paper.objects.all()).answerable
