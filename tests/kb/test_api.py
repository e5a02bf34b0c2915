"""The REST contract, and what it says to bad input."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client

from evals.models import Run
from kb.models import Paper

pytestmark = pytest.mark.django_db
API = "/api/v1"


def get(client: Client, address: str, status: int = 200) -> Any:
    response = client.get(API + address)
    assert response.status_code == status, response.content[:300]
    if status >= 400:
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["hint"]
    return response.json()


def test_the_entrance_leads_everywhere(client: Client) -> None:
    asks = {"search": 400} | dict.fromkeys(("tokens", "paper-imports", "queue", "suggestions"), 401)
    for name, link in get(client, "/").items():
        assert client.get(link).status_code == asks.get(name, 200), name


def test_pages_of_papers_hold_each_paper_once(client: Client) -> None:
    keys, link = [], f"{API}/papers/?page_size=200&select=key&risk=harmful-fine-tuning"
    while link:
        page = client.get(link).json()
        keys += [row["key"] for row in page["results"]]
        link = page["next"]
    assert len(keys) == len(set(keys)) == page["count"] > 0


def test_papers_can_be_selected_and_grouped(client: Client) -> None:
    row = get(client, "/papers/?select=key,title&page_size=1")["results"][0]
    assert set(row) == {"key", "title"}
    groups = get(client, "/papers/?group_by=year")["groups"]
    assert sum(group["count"] for group in groups) == Paper.objects.count()


def test_a_risk_has_what_the_contract_says(client: Client) -> None:
    risk = get(client, "/risks/adversarial-suffix/")
    wanted = {"definition", "stages", "category", "counts", "papers", "mitigations", "mappings"}
    assert wanted <= set(risk)
    for row in risk["mitigations"]:
        kept = {"slug", "name", "runnable", "engine_key", "evidence_grade", "latest_run"}
        assert kept <= set(row)
    assert "perplexity-filter" in {row["slug"] for row in risk["mitigations"] if row["runnable"]}


def test_search_says_why(client: Client) -> None:
    found = get(client, "/search/?q=watermark&limit=5&stage=commercialization")
    assert len(found["results"]) == 5
    assert set(found["results"][0]["ranks"]) == {"semantic", "keyword"}
    assert {facet["name"] for facet in found["facets"]} >= {"stage", "kind"}


def test_search_takes_an_abstract(client: Client) -> None:
    text = "We study whether watermarks in generated text survive paraphrasing. " * 40
    response = client.post(f"{API}/search/", {"text": text}, content_type="application/json")
    assert response.status_code == 200
    assert response.json()["results"]


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/papers/?stage=deploymnt", 400, "deployment"),
        ("/papers/?kind=other", 400, "attack"),
        ("/papers/?page_size=100000", 400, "1 to 200"),
        ("/papers/?page_size=0", 400, "1 to 200"),
        ("/papers/?page_size=²", 400, "1 to 200"),
        ("/papers/?cursor=nonsense", 404, ""),
        ("/papers/?stgae=deployment", 400, "stage"),
        ("/papers/?select=abstractt", 400, "No field"),
        ("/papers/?ordering=random", 400, "newest"),
        ("/papers/?group_by=moon", 400, "year"),
        ("/papers/?year_from=1", 400, "1950"),
        ("/papers/?year_from=NaN", 400, ""),
        ("/papers/not%20a%20key/", 404, "key"),
        ("/risks/nope/", 404, "nope"),
        ("/search/", 400, "Say what"),
        ("/search/?q=x&mode=psychic", 400, "hybrid"),
        ("/search/?q=x&limit=9999", 400, "1 to 200"),
        ("/changes/?since=yesterday", 400, "ISO"),
        ("/changes/?what=weather", 400, "risk"),
        ("/runs/?status=sleeping", 400, ""),
        ("/runs/00000000-0000-0000-0000-000000000000/", 404, ""),
        ("/nowhere/", 404, ""),
    ],
)
def test_bad_questions_get_clear_answers(
    client: Client, address: str, status: int, said: str
) -> None:
    assert said in str(get(client, address, status))


def test_a_megabyte_is_too_much(client: Client) -> None:
    body = {"text": "x" * 1_100_000}
    response = client.post(f"{API}/search/", body, content_type="application/json")
    assert response.status_code == 413
    assert response["Content-Type"] == "application/problem+json"
    assert client.get(f"{API}/search/", {"q": "x" * 30_000}).status_code == 413


@pytest.mark.parametrize("body", ["{", "[]", '"text"', '{"text": 5, "x": {}}', '{"text": ""}'])
def test_bodies_that_cannot_be_read(client: Client, body: str) -> None:
    response = client.post(f"{API}/search/", body, content_type="application/json")
    assert response.status_code in {200, 400}
    assert client.post(f"{API}/runs/", body, content_type="application/json").status_code == 400


def test_etags_save_the_answer(client: Client) -> None:
    tag = client.get(f"{API}/risks/")["ETag"]
    assert not tag.startswith("W/")
    assert client.get(f"{API}/risks/", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("address", [f"{API}/risks/", "/risks/", "/search/?q=watermark"])
def test_a_stopped_database_is_said_in_words(client: Client, address: str) -> None:
    down = OperationalError("connection refused")
    with patch("django.db.models.sql.compiler.SQLCompiler.execute_sql", side_effect=down):
        response = client.get(address)
    assert response.status_code == 503
    assert "Retry-After" in response
    assert b"does not answer" in response.content
    assert b"Traceback" not in response.content


def ask(client: Client, **body: Any) -> Any:
    return client.post(f"{API}/runs/", body, content_type="application/json")


def test_a_run_is_queued_once(client: Client) -> None:
    first = ask(client, mitigation="perplexity-filter", params={"n": 31})
    assert first.status_code == 202
    assert first["Location"].endswith(f"/api/v1/runs/{first.json()['id']}/")
    again = ask(client, mitigation="perplexity-filter", params={"n": 31})
    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "mitigation"),
        ({"mitigation": "perplexity"}, "perplexity-filter"),
        ({"mitigation": "perplexity-filter", "risk": "hallucination"}, "adversarial-suffix"),
        ({"mitigation": "perplexity-filter", "params": {"n": 10**9}}, "from 30 to 200"),
        ({"mitigation": "perplexity-filter", "target": "http://169.254.169.254/"}, "No target"),
        ({"mitigation": "perplexity-filter", "seed": -1}, "seed"),
    ],
)
def test_runs_that_cannot_be(client: Client, body: dict[str, Any], said: str) -> None:
    response = ask(client, **body)
    assert response.status_code == 400
    assert said in response.content.decode()
    assert not Run.objects.exists()


def test_only_signed_in_people_run_where_the_setting_says_so(client: Client, settings: Any) -> None:
    settings.RUNS = "signed-in"
    assert ask(client, mitigation="perplexity-filter").status_code in {401, 403}
    assert not Run.objects.exists()


def test_a_queued_run_can_be_cancelled(client: Client) -> None:
    run = ask(client, mitigation="perplexity-filter").json()
    response = client.post(f"{API}/runs/{run['id']}/cancel/")
    assert response.json()["status"] == "cancelled"


@pytest.mark.parametrize("place", ["p=abc", "p=", "p=a%00b", "r=1&p=abc", "o=-1", "p=%ff"])
@pytest.mark.parametrize("address", ["papers/", "changes/", "changesets/", "releases/", "risks/"])
def test_a_made_up_cursor_is_refused_or_empty(client: Client, address: str, place: str) -> None:
    made_up = b64encode(place.encode()).decode()
    response = client.get(f"/api/v1/{address}", {"cursor": made_up})
    assert response.status_code in {200, 400, 404}
    if response.status_code != 200:
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["hint"]
