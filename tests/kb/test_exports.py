"""Exports: exactly the result that the page shows, in files that other programs can read."""

from __future__ import annotations

import csv
import io
import json
import re
from xml.etree import ElementTree

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from kb.exports import FORMATS
from kb.exports._bibtex import bibtex, escaped
from kb.exports._ris import ris
from kb.exports._tables import FORMULA, safe_cell
from kb.models import Paper

pytestmark = pytest.mark.django_db
QUERY = {"q": "watermark", "kind": "attack"}
ATOM = "{http://www.w3.org/2005/Atom}"


def keys_on_the_page(client: Client) -> list[str]:
    page = client.get("/search/", QUERY).content.decode()
    listing = page.split('class="listing"')[1].split("</ul>")[0]
    return re.findall(r'<h3><a href="/papers/([^"]+)/"', listing)


def test_json_is_the_result_of_the_page_in_its_order(client: Client) -> None:
    found = json.loads(client.get("/search/papers.json", QUERY).content)
    shown = keys_on_the_page(client)
    assert len(shown) == 20
    assert [row["key"] for row in found["papers"]][:20] == shown
    assert found["count"] == len(found["papers"]) > 20
    assert "abstract" not in found["papers"][0]


def test_csv_holds_the_same_papers(client: Client) -> None:
    response = client.get("/search/papers.csv", QUERY)
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [row["key"] for row in rows][:20] == keys_on_the_page(client)
    assert "attachment" in response["Content-Disposition"]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert safe_cell(cell) == f"'{cell}"
    assert safe_cell("a=b") == "a=b"


@given(st.text(max_size=60))
def test_no_text_begins_a_formula(text: str) -> None:
    assert not safe_cell(text).startswith(FORMULA)


@given(st.text(max_size=80))
def test_bibtex_braces_always_balance(text: str) -> None:
    plain = re.sub(r"\\[{}]", "", escaped(text))
    assert plain.count("{") == plain.count("}")
    assert "\n" not in escaped(text)


def test_bibtex_keys_are_unique_and_special_signs_escaped() -> None:
    paper = Paper(key="a", title="100% of {LLMs} & _more_", authors=["Ada Lovelace"], year=2024)
    written = bibtex([paper, paper])
    assert "title = {{100\\% of \\{LLMs\\} \\& \\_more\\_}}" in written
    assert re.findall(r"@misc\{(\S+),", written) == ["lovelace2024llms", "lovelace2024llms-2"]


def test_every_ris_record_begins_and_ends(client: Client) -> None:
    written = client.get("/search/papers.ris", QUERY).content.decode()
    assert written.count("TY  - ") == written.count("ER  - ") > 20
    paper = Paper(key="a", title="One\nline", authors=["A", "B"], year=2024, arxiv_id="2401.00001")
    assert ris([paper]).splitlines() == [
        "TY  - GEN",
        "TI  - One line",
        "AU  - A",
        "AU  - B",
        "PY  - 2024",
        "AN  - arXiv:2401.00001",
        "ER  - ",
    ]


def test_a_feed_shows_the_latest_changed_first(client: Client) -> None:
    last = Paper.objects.get(key=keys_on_the_page(client)[7])
    Paper.objects.filter(pk=last.pk).update(venue="changed just now")
    response = client.get("/search/feed/", QUERY)
    feed = ElementTree.fromstring(response.content)
    entries = feed.findall(f"{ATOM}entry")
    assert response["Content-Type"].startswith("application/atom+xml")
    assert entries[0].findtext(f"{ATOM}title") == last.title
    dates = [entry.findtext(f"{ATOM}updated") or "" for entry in entries]
    assert dates == sorted(dates, reverse=True)


def test_a_browse_can_be_exported_and_followed(client: Client) -> None:
    found = json.loads(client.get("/search/papers.json?kind=benchmark&year_from=2024").content)
    assert found["count"] == len(found["papers"]) > 5
    assert client.get("/search/feed/?kind=benchmark").status_code == 200


def test_what_the_filter_does_not_know_is_refused(client: Client) -> None:
    for address in [*(f"/search/papers.{kind}" for kind in FORMATS), "/search/feed/"]:
        assert client.get(address, {"kind": "atack"}).status_code == 400
    assert client.get("/search/papers.doc").status_code == 404
