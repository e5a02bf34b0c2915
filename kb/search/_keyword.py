"""The keyword leg: BM25 over the lexemes that PostgreSQL's full text search stores.

``Paper.search`` is the source; what is in memory is a cache that each search brings up to
date (see ``_changes``). Any word may match, and rare words count for more.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection

from taxonomy.models import Mitigation, Risk

from ._changes import HUB, Reader
from ._postings import Counts, Postings, parse
from ._words import Words, tokens

ACRONYM = re.compile(r"[A-Z][A-Z0-9-]{1,6}")
ROWS = "SELECT id, title, tldr, summary, abstract, search::text FROM kb_paper"


@dataclass
class Loaded:
    """One reading of all papers."""

    postings: Postings
    words: Words
    titles: dict[str, int]


class Keywords:
    """Papers by word; safe to use from several threads."""

    def __init__(self) -> None:
        self._changes = Reader(HUB)
        self._loaded: Loaded | None = None
        self._lock = threading.RLock()

    def scores(self, query: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """(paper ids, BM25 scores) of all papers; ``query`` is {lexeme: weight}."""
        with self._lock:
            return self.current().postings.scores(query)

    def idf(self, lexemes: Mapping[str, float]) -> dict[str, float]:
        """{lexeme: how rare it is}."""
        with self._lock:
            postings = self.current().postings
            return {lexeme: postings.idf(lexeme) for lexeme in lexemes}

    def held(
        self, query: Mapping[str, float], ids: Sequence[int]
    ) -> tuple[dict[str, float], list[str], list[float]]:
        """({lexeme: worth}, the lexemes that any paper holds, worth held by each of ``ids``)."""
        with self._lock:
            postings = self.current().postings
            worth = {lexeme: weight * postings.idf(lexeme) for lexeme, weight in query.items()}
            known = [lexeme for lexeme in query if postings.frequency(lexeme)]
            return worth, known, postings.held(query, ids)

    def supposing(self, gone: Sequence[int], documents: Mapping[int, Counts]) -> Loaded:
        """What would be loaded had these documents been replaced; words stay the live ones."""
        with self._lock:
            loaded = self.fresh()
            postings = loaded.postings.supposing(gone, documents)
            return Loaded(postings, loaded.words, loaded.titles)

    def current(self) -> Loaded:
        """What is loaded, without asking for changes: for the later steps of one search."""
        with self._lock:
            return self._loaded or self.fresh()

    def fresh(self, ask: bool = True) -> Loaded:
        """What is loaded, brought up to what PostgreSQL holds (see ``Reader.changed``)."""
        with self._lock:
            if self._loaded is None:
                self._changes.join()
                self._loaded = _load()
            else:
                self._take(self._loaded, self._changes.changed(ask))
            return self._loaded

    def _take(self, loaded: Loaded, changed: set[int]) -> None:
        if not changed:
            return
        try:
            documents, texts, titles = _read(f"{ROWS} WHERE id = ANY(%s)", [list(changed)])
        except Exception:
            self._loaded = None  # the changes are lost to the feed: read all the next time
            raise
        loaded.postings.replace(changed, documents)
        loaded.words.learn(texts)
        for title in [t for t, pk in loaded.titles.items() if pk in changed]:
            del loaded.titles[title]
        loaded.titles |= titles


def _read(
    sql: str, params: list[list[int]] | None = None
) -> tuple[dict[int, Counts], list[str], dict[str, int]]:
    """({paper id: counts}, texts, {plain title: paper id}) of the rows that ``sql`` gives."""
    documents, texts, titles = {}, [], {}
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        for pk, title, tldr, summary, abstract, tsvector in cursor:
            documents[pk] = parse(tsvector)
            texts.append(f"{title}. {tldr} {summary} {abstract}")
            titles[plain_title(title)] = pk
    return documents, texts, titles


def _load() -> Loaded:
    documents, texts, titles = _read(f"{ROWS} ORDER BY id")
    words = Words()
    words.learn(texts)
    for model in (Risk, Mitigation):
        rows = model._default_manager.values_list("name", "definition")
        words.learn(f"{name}. {definition}" for name, definition in rows)
    for name, aliases in Risk.objects.values_list("name", "aliases"):
        _learn_aliases(words, name, aliases)
    return Loaded(Postings(documents), words, titles)


def _learn_aliases(words: Words, name: str, aliases: list[str]) -> None:
    """An alias in capitals stands for the risk's name (or the alias that spells it out)."""
    for alias in aliases:
        if ACRONYM.fullmatch(alias):
            words.name(alias, name)


def plain_title(title: str) -> str:
    """A title without case, punctuation and spaces, by which a whole one is recognised."""
    return re.sub(r"[\W_]+", "", title.lower())


def sentences(text: str) -> list[str]:
    """The sentences of a text, roughly: a stop, a space, a capital."""
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])", text) if part]


def passage(
    text: str, wanted: Mapping[str, float], forms: Mapping[str, str]
) -> list[tuple[str, bool]]:
    """The sentence that holds the most of what was asked, as (piece, whether it matched).

    ``wanted`` is {stem: worth} and ``forms`` {word: stem} of the words that have those stems.
    """
    best, most = "", 0.0
    for sentence in sentences(text):
        held = {forms[word] for word in forms.keys() & tokens(sentence)}
        worth = sum(wanted[stem] for stem in held)
        if worth > most:
            best, most = sentence, worth
    return _joined([(piece, piece.lower() in forms) for piece in re.split(r"(\w+)", best)])


def _joined(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Neighbouring pieces of one kind as one."""
    joined: list[tuple[str, bool]] = []
    for piece, matched in pieces:
        if joined and joined[-1][1] == matched:
            joined[-1] = (joined[-1][0] + piece, matched)
        elif piece:
            joined.append((piece, matched))
    return joined


KEYWORDS = Keywords()
