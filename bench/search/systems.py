"""The systems that are compared: our legs, their fusion, and peers on the same texts."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import connection

from kb import search
from kb.models import Paper
from kb.search import Mode

DEPTH = 100
System = Callable[[str], list[str]]


def systems() -> dict[str, System]:
    """{name: a function from a query's text to paper keys, best first}."""
    return {
        "fused": lambda text: _ours(text, Mode.HYBRID),
        "semantic only": lambda text: _ours(text, Mode.SEMANTIC),
        "keyword only": lambda text: _ours(text, Mode.KEYWORD),
        "bm25s": _bm25s(),
        "websearch_to_tsquery": _websearch,
        "pgvector exact": _pgvector(),
    }


def _ours(text: str, mode: Mode) -> list[str]:
    hits = search.rank(text, Paper.objects.all(), mode).hits[:DEPTH]
    keys = Paper.objects.in_bulk([hit.paper_id for hit in hits])
    return [keys[hit.paper_id].key for hit in hits]


def _bm25s() -> System:
    """BM25 by the library's defaults with its English stop words and Snowball stems."""
    import bm25s
    import Stemmer

    logging.getLogger("bm25s").setLevel(logging.WARNING)
    rows = list(Paper.objects.order_by("pk").values_list("key", "title", "summary", "abstract"))
    stemmer = Stemmer.Stemmer("english")
    options = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    index = bm25s.BM25()
    index.index(bm25s.tokenize([" ".join(r[1:]) for r in rows], **options), show_progress=False)

    def find(text: str) -> list[str]:
        asked = bm25s.tokenize([text], **options)
        if not asked.vocab:
            return []
        found, scores = index.retrieve(asked, k=DEPTH, show_progress=False)
        pairs = zip(found[0], scores[0], strict=True)
        return [rows[number][0] for number, score in pairs if score > 0]

    return find


def _websearch(text: str) -> list[str]:
    return _keys(
        "SELECT key FROM kb_paper, websearch_to_tsquery('english', %s) AS q WHERE search @@ q "
        "ORDER BY ts_rank_cd(search, q) DESC, id LIMIT %s",
        [text, DEPTH],
    )


def _pgvector() -> System:
    """Exact cosine distance in PostgreSQL over the same vectors."""
    from kb.search._embedder import embedder

    ids, matrix = search.vectors()
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute(f"CREATE TEMP TABLE peer (id bigint, v vector({matrix.shape[1]}))")
        rows = [(pk, str(vector.tolist())) for pk, vector in zip(ids, matrix, strict=True)]
        cursor.executemany("INSERT INTO peer VALUES (%s, %s)", rows)

    def find(text: str) -> list[str]:
        asked = str(embedder().encode([text])[0].tolist())
        return _keys(
            "SELECT key FROM peer JOIN kb_paper USING (id) ORDER BY v <=> %s::vector, id LIMIT %s",
            [asked, DEPTH],
        )

    return find


def _keys(sql: str, params: list[str | int]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [key for (key,) in cursor.fetchall()]
