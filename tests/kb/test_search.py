"""The search room: ranking, freshness, and that no string makes an error."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from kb import search
from kb.models import Embedding, Paper
from kb.search import Mode, _shapes, _terms
from kb.search._embedder import PACKAGED, EmbedderError, SentenceEmbedder, locate, verify
from kb.search._index import PaperIndex
from kb.search._vectors import FIXTURE, embed_paper, text_digest

pytestmark = pytest.mark.django_db


def titles(text: str, mode: Mode = Mode.HYBRID, n: int = 5) -> list[str]:
    hits = search.rank(text, Paper.objects.all(), mode).hits[:n]
    by_id = Paper.objects.in_bulk([hit.paper_id for hit in hits])
    return [by_id[hit.paper_id].title for hit in hits]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_whole_title_finds_its_paper(mode: Mode) -> None:
    title = "Deduplicating Training Data Makes Language Models Better"
    assert titles(title, mode)[0] == title


def test_any_word_may_match() -> None:
    found = titles("watermark zzzyx qqqwx", Mode.KEYWORD)
    assert found
    assert all("atermark" in title for title in found)


def test_a_typo_still_finds() -> None:
    assert any("atermark" in title for title in titles("watremarking", Mode.KEYWORD))


def test_the_filter_is_inside_the_search() -> None:
    within = Paper.objects.filter(year=2021)
    hits = search.rank("language models", within).hits
    assert {hit.paper_id for hit in hits} <= set(within.values_list("pk", flat=True))
    assert len(hits) == min(within.count(), len(hits)) > 10


class Strings(TestCase):
    """No string makes an error, in any mode."""

    @given(st.text(max_size=200), st.sampled_from(list(Mode)))
    @settings(max_examples=60, deadline=None)
    def test_no_string_makes_an_error(self, text: str, mode: Mode) -> None:
        search.rank(text, Paper.objects.all(), mode, depth=5)

    def test_known_trouble(self) -> None:
        for text in ("", " ", "'", "a & | ! <-> :*", "'; DROP TABLE kb_paper; --", "\x00\x01", "🙂",
                     "‮abc", "x" * 100_000, "the of and"):  # fmt: skip
            search.rank(text, Paper.objects.all(), depth=5)


def test_a_paper_added_elsewhere_is_found(tmp_path: Path) -> None:
    index, other = PaperIndex(tmp_path), PaperIndex(tmp_path)
    index.rebuild()
    paper = Paper.objects.create(key="quokka-paper", title="Quokka quokka quokka", year=2025)
    embed_paper(paper)
    vector = index.vector(paper.pk)
    assert vector is not None
    assert other.search(vector, 1)[0][0] == paper.pk
    assert index.search(vector, 1)[0][0] == paper.pk


def test_a_deleted_paper_is_gone(tmp_path: Path) -> None:
    index = PaperIndex(tmp_path)
    paper = Paper.objects.get(key="arxiv:2307.15043")
    vector = index.vector(paper.pk)
    assert vector is not None
    assert index.search(vector, 1)[0][0] == paper.pk
    paper.delete()
    assert paper.pk not in dict(index.search(vector, 3))


def test_a_missing_or_damaged_file_is_built_again(tmp_path: Path) -> None:
    state = PaperIndex(tmp_path).rebuild()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["state"]["rows"] == state.rows == Embedding.objects.count()
    vector = np.ones(64, dtype=np.float32) / 8
    expected = PaperIndex(tmp_path).search(vector, 3)
    (tmp_path / "papers.faiss").write_bytes(b"damaged")
    assert PaperIndex(tmp_path).search(vector, 3) == expected
    (tmp_path / "manifest.json").unlink()
    assert PaperIndex(tmp_path).search(vector, 3) == expected


def _recall(index: PaperIndex, exact: PaperIndex, papers: list[Paper]) -> float:
    """The share of the 20 nearest that is found; one list in eight would give 0.125 by chance."""
    shares = []
    for paper in papers:
        if (vector := exact.vector(paper.pk)) is not None:
            found, expected = (dict(one.search(vector, 20)) for one in (index, exact))
            shares.append(len(found.keys() & expected.keys()) / 20)
    return sum(shares) / len(shares)


def test_a_large_index_searches_lists_and_still_takes_and_drops_single_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = PaperIndex(tmp_path / "exact")
    exact.rebuild()
    monkeypatch.setattr(_shapes, "APPROXIMATE_FROM", 1000)
    PaperIndex(tmp_path).rebuild()
    assert json.loads((tmp_path / "manifest.json").read_text())["kind"] == "lists"
    index = PaperIndex(tmp_path)
    paper = Paper.objects.get(key="arxiv:2307.15043")
    vector = index.vector(paper.pk)
    assert vector is not None
    expected = dict(exact.search(vector, 20))
    assert _recall(index, exact, list(Paper.objects.order_by("pk")[:100])) > 0.6
    some = np.array(sorted(expected)[:3], dtype=np.int64)
    assert index.search(vector, 9, some) == exact.search(vector, 9, some)
    paper.delete()
    assert paper.pk not in dict(index.search(vector, 5))
    again = Paper.objects.create(key="quokka-paper", title="Quokka quokka quokka", year=2025)
    embed_paper(again)
    near = index.vector(again.pk)
    assert near is not None
    assert index.search(near, 1)[0][0] == again.pk


def test_a_file_of_the_other_shape_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PaperIndex(tmp_path).rebuild()
    monkeypatch.setattr(_shapes, "APPROXIMATE_FROM", 1000)
    index = PaperIndex(tmp_path)
    index.search(np.ones(64, dtype=np.float32) / 8, 1)
    assert _shapes.kind(3_000) == "lists"
    assert type(index._faiss_index).__name__ == "IndexIVFFlat"


def test_only_changed_texts_are_embedded_again() -> None:
    assert search.embed_stale() == 0
    Paper.objects.filter(key="arxiv:2307.15043").update(summary="Something new.")
    assert search.embed_stale() == 1


def test_a_wrong_checksum_is_said(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"other")
    with pytest.raises(EmbedderError, match=r"not 53aa51172d14.*make install"):
        verify(weights, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_the_shipped_vectors_are_those_of_the_real_model() -> None:
    manifest = json.loads((FIXTURE / "manifest.json").read_text())
    model = SentenceEmbedder(PACKAGED)
    assert manifest["model"] == locate(PACKAGED)[1]
    assert manifest["dimension"] == model.dimension
    named = _terms.Terms().texts()
    texts = {text_digest(text): text for text in [*(p.text for p in Paper.objects.all()), *named]}
    assert set(texts) <= set(manifest["text_digests"]), "run `manage.py rebuild_index --ship`"
    vectors = np.load(FIXTURE / "vectors.npy").astype(np.float32)
    sample = range(0, len(vectors), 150)
    digests = [manifest["text_digests"][i] for i in sample]
    again = model.encode([texts[digest] for digest in digests])
    assert np.abs(again - vectors[list(sample)]).max() < 2e-3


@pytest.mark.model
@pytest.mark.xdist_group("model")
def test_meaning_is_found_by_the_real_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from kb.search import _embedder, _index, _legs, _vectors

    real = SentenceEmbedder(PACKAGED)
    for module in (_embedder, _index, _terms, _vectors):
        monkeypatch.setattr(module, "embedder", lambda: real)
    papers, terms = PaperIndex(tmp_path), _terms.Terms()
    for module in (_index, _legs):
        monkeypatch.setattr(module, "PAPERS", papers)
    for module in (_terms, _legs):
        monkeypatch.setattr(module, "TERMS", terms)
    assert search.embed_stale() == Paper.objects.count()
    found = titles("poisoning the memory of an agent")
    assert sum("emory" in title for title in found) >= 3
    assert "AgentPoison" in found[0]
