"""The search page: chips, topics beside papers, the verdict, a model that still loads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from kb import search
from kb.models import Paper
from kb.queries import quality
from kb.search import _legs
from kb.search._embedder import embedder
from kb.search._terms import TERMS, best, spelling
from taxonomy.models import Risk

pytestmark = pytest.mark.django_db
ODD = [
    "",
    "a",
    "💣" * 50,
    "'; DROP TABLE kb_paper; --",
    "a & b | !c <-> d:*",
    "((( ' \" \\",
    "نص من اليمين إلى اليسار",
    "\u202etxt\u202c \x07\x1b",
    "%s %(x)s {0}",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_text_gets_a_page_an_answer_a_file_and_a_feed(client: Client, text: str) -> None:
    for address in ("/search/", "/search/papers.json", "/search/papers.bib", "/search/feed/"):
        assert client.get(address, {"q": text}).status_code == 200, address
    assert client.get("/api/v1/search/", {"q": text}).status_code == (200 if text else 400)


def test_a_very_long_text_is_refused_with_a_reason(client: Client) -> None:
    response = client.get("/search/", {"q": "x" * 100_000})
    assert response.status_code == 400
    assert "20,000 characters" in response.content.decode()
    body = json.dumps({"text": "x" * 100_000})
    response = client.post("/api/v1/search/", body, content_type="application/json")
    assert response.status_code == 413


class Pages(TestCase):
    """No string makes an error."""

    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=120))
    @settings(max_examples=40, deadline=None)
    def test_no_string_makes_an_error(self, text: str) -> None:
        assert self.client.get("/search/", {"q": text}).status_code in (200, 302)
        assert self.client.get("/api/v1/search/", {"q": text}).status_code in (200, 400)

    @given(st.text(max_size=300))
    @settings(max_examples=25, deadline=None)
    def test_no_posted_string_makes_an_error(self, text: str) -> None:
        body = json.dumps({"text": text})
        answer = self.client.post("/api/v1/search/", body, content_type="application/json")
        assert answer.status_code in (200, 400)


def test_filters_are_chips_that_can_be_taken_away(client: Client) -> None:
    page = client.get("/search/?q=watermark&kind=attack&year_from=2023").content.decode()
    chips = page.split('class="chips"')[1].split("</ul>")[0]
    assert "Kind:</span> Attack" in chips or "Kind:</span> attack" in chips
    assert "From year:</span> 2023" in chips
    assert 'href="?q=watermark&amp;year_from=2023"' in chips


def test_a_model_that_still_loads_leaves_words(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder(), "loading", True, raising=False)
    page = client.get("/search/", {"q": "watermark"}).content.decode()
    assert "still loading" in page
    assert "<mark>" in page
    response = client.get("/api/v1/search/", {"q": "watermark"})
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert client.get("/api/v1/search/?q=watermark&mode=keyword").status_code == 200


def test_a_risk_is_found_by_its_name_and_alias(client: Client) -> None:
    risk = Risk.objects.exclude(aliases=[]).first()
    assert risk is not None
    for name in (risk.name, risk.aliases[0]):
        found = client.get("/api/v1/search/", {"q": name}).json()
        assert risk.slug in [row["slug"] for row in found["risks"]], name


def test_terms_follow_what_curators_change() -> None:
    Risk.objects.filter(slug="sycophancy").update(name="Zyxwvut flattery")
    terms, scores = TERMS.find("zyxwvut flattery", None)
    assert best(terms, scores, "risk", 1, 1)[0].slug == "sycophancy"
    assert len(TERMS.vectors()) == len(TERMS.texts()) == len(terms)


def test_what_is_placed_under_a_near_topic_is_lifted() -> None:
    risk = Risk.objects.get(slug="sycophancy")
    vector = embedder().encode([f"{risk.name}\n{risk.definition}"])[0]
    search.rank("up to date", Paper.objects.all())
    lifted, nearest = _legs.topics(vector)
    here = set(risk.placements.filter(origin="curated").values_list("paper_id", flat=True))
    assert here
    closeness = dict(zip(lifted.papers.tolist(), lifted.closeness.tolist(), strict=True))
    assert all(closeness[pk] > 0.5 for pk in here)
    assert set(lifted.names[np.isin(lifted.papers, list(here))]) == {risk.name}
    assert nearest > 0.5


def test_spelling_ignores_case_and_punctuation() -> None:
    assert spelling("Prompt-Injection!") == spelling("prompt injection")


def test_nothing_answers_and_the_nearest_topics_are_offered(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kb import search

    monkeypatch.setattr(search, "log_odds", lambda found: -1.0)
    page = client.get("/search/", {"q": "sourdough bread in a cold kitchen"}).content.decode()
    assert "Nothing in the knowledge base answers this" in page
    assert "The nearest topics:" in page
    assert client.get("/api/v1/search/?q=sourdough").json()["answerable"] is False


def test_how_good_shows_the_stored_measurement(client: Client, tmp_path: Any) -> None:
    page = client.get("/search/how-good/").content.decode()
    stored = quality.measured()
    assert stored is not None
    assert stored.facts["measured_at"] in page
    fused = stored.worlds[0].systems[0]
    assert fused.name == "fused"
    assert f"{fused.figures[0]['value']:.2f}" in page
