"""Every page: it answers, says what it should, and asks a bounded number of queries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kb.models import Paper, PaperRedirect, Placement
from taxonomy.models import Risk

pytestmark = pytest.mark.django_db
COUNTS = json.loads((Path(__file__).parent / "query_counts.json").read_text())
# Of a mitigation with papers, runs that ship, and figures read from outside.
MOST_OF_A_MITIGATION = 14


@pytest.mark.parametrize(("address", "most"), COUNTS.items())
def test_pages_answer_within_their_queries(client: Client, address: str, most: int) -> None:
    client.get(address)  # the index may still have to be read
    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    assert response.status_code == 200
    assert len(queries) == most, (
        f"{address} asks {len(queries)} queries; change the number if meant"
    )


def test_home_counts_are_those_of_the_search(client: Client) -> None:
    from kb.queries import lifecycle

    home = lifecycle.home()
    row = next(row for row in home.rows if row.stage.slug == "post-training")
    count = dict(row.cells)["benchmark"]
    page = client.get("/search/?stage=post-training&kind=benchmark").content.decode()
    assert f"{count} papers" in page


def test_hostile_text_is_shown_and_not_run(client: Client) -> None:
    paper = Paper.objects.first()
    assert paper is not None
    Paper.objects.filter(pk=paper.pk).update(
        title="<script>alert(1)</script>", summary="<img src=x>"
    )
    page = client.get(paper.get_absolute_url()).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<img src=x>" not in page


def test_a_merged_key_leads_to_its_paper(client: Client) -> None:
    paper = Paper.objects.get(key="arxiv:2307.15043")
    PaperRedirect.objects.create(old_key="arxiv:1234.56789", paper=paper)
    response = client.get("/papers/arxiv:1234.56789/")
    assert response.status_code == 301
    assert response["Location"] == paper.get_absolute_url()


def test_a_retired_risk_keeps_its_page_and_leaves_the_list(client: Client) -> None:
    Risk.objects.filter(slug="sycophancy").update(status="retired")
    assert "retired" in client.get("/risks/sycophancy/").content.decode()
    assert "/risks/sycophancy/" not in client.get("/risks/").content.decode()


@pytest.mark.parametrize("address", ["/risks/nope/", "/papers/arxiv:0000.00000/", "/x/"])
def test_unknown_addresses_say_so(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 404
    assert b"Nothing is here" in response.content


@pytest.mark.parametrize("address", ["/papers/%00/", "/search/?venue=%00", "/api/v1/papers/?q=%00"])
def test_a_nul_character_is_refused(client: Client, address: str) -> None:
    assert client.get(address).status_code == 400


def test_an_unknown_filter_value_is_answered_with_the_nearest(client: Client) -> None:
    response = client.get("/search/?stage=deploymnt&kind=atack")
    page = response.content.decode()
    assert response.status_code == 400
    assert "Near to it: deployment" in page
    assert "Near to it: attack" in page


def test_an_identifier_goes_straight_to_its_paper(client: Client) -> None:
    for typed in ("2307.15043", "arXiv:2307.15043v2", "https://arxiv.org/abs/2307.15043"):
        response = client.get("/search/", {"q": typed})
        assert response["Location"] == "/papers/arxiv:2307.15043/"


def test_mitigations_can_be_narrowed_to_a_stage(client: Client) -> None:
    page = client.get("/mitigations/?stage=pre-training").content.decode()
    assert "/mitigations/control-tokens/" in page
    assert "/mitigations/smoothllm/" not in page
    assert client.get("/mitigations/?stage=lunch").status_code == 404


def test_htmx_gets_the_results_alone(client: Client) -> None:
    part = client.get("/search/?q=watermark", headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="results">')
    assert "<html" not in part


def test_a_facet_counts_what_its_link_shows(client: Client) -> None:
    from kb.filters import PaperFilter
    from kb.queries.facets import facets

    filterset = PaperFilter({"stage": ["pre-training"]}, queryset=Paper.objects.all())
    assert filterset.is_valid()
    facets = {facet.name: facet for facet in facets(filterset)}
    for value in facets["kind"].values:
        both = PaperFilter(
            {"stage": ["pre-training"], "kind": [value.value]}, queryset=Paper.objects.all()
        )
        assert both.is_valid()
        assert both.qs.count() == value.count


def test_stage_and_kind_ask_for_one_placement() -> None:
    from kb.filters import PaperFilter

    paper = Paper.objects.create(key="one-placement", title="One placement", year=2024)
    where: dict[str, Any] = {"paper": paper, "origin": "curated"}
    Placement.objects.create(risk=Risk.objects.get(slug="deepfake"), kind="survey", **where)
    Placement.objects.create(risk=Risk.objects.get(slug="rag-poisoning"), kind="attack", **where)
    asked = {"stage": ["commercialization"], "kind": ["attack"]}
    filterset = PaperFilter(asked, queryset=Paper.objects.filter(pk=paper.pk))
    assert filterset.is_valid()
    assert not filterset.qs.exists()


def test_pages_carry_a_strict_policy(client: Client) -> None:
    policy = client.get("/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_health(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert ready["status"] == "ready"
    assert ready["search"]["vectors"] == Paper.objects.count()


def test_pages_of_measured_mitigations_ask_no_more_for_each_run(client: Client) -> None:
    """With every run that ships, as readers see them: a few more queries, the same each time."""
    from evals.loading import load_runs
    from evals.models import Run
    from kb.loading import FIXTURES

    load_runs(FIXTURES / "runs")
    shown = set(Run.objects.values_list("mitigation", flat=True))
    for slug in sorted(shown | {"smoothllm", "perplexity-filter"}):
        asked = []
        for _ in range(3):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(f"/mitigations/{slug}/").status_code == 200
            asked.append(len(queries))
        assert len(set(asked)) == 1, (slug, asked)
        assert asked[0] <= MOST_OF_A_MITIGATION, (slug, asked)
