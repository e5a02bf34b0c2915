"""Differences of texts: nothing is left out, and rewritten stretches stay in one piece."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kb.curation.diffs import words

WORDS = st.lists(
    st.sampled_from(["a", "bee", "sea ", " ", "\n", "dee", ".", "e-", "é"]), max_size=40
)


@given(WORDS, WORDS)
def test_both_texts_can_be_read_from_their_difference(one: list[str], other: list[str]) -> None:
    before, after = "".join(one), "".join(other)
    pieces = words(before, after)
    assert "".join(p.text for p in pieces if p.how != "new") == before
    assert "".join(p.text for p in pieces if p.how != "gone") == after


def test_a_changed_word_is_marked_alone() -> None:
    pieces = words("The cat sat on the mat.", "The dog sat on the mat.")
    assert [(p.how, p.text) for p in pieces if p.how != "same"] == [("gone", "cat"), ("new", "dog")]


def test_a_text_written_anew_is_not_cut_up_by_a_shared_word() -> None:
    before = "Generated voices, faces and writing styles impersonate real people in a call."
    after = "Image, sound or film of somebody and all that a model makes so that others believe."
    pieces = words(before, after)
    assert len(pieces) <= 6
    assert not [piece for piece in pieces if piece.how == "same" and "and" in piece.text]
