"""Pages, lists and the API as a release had them, and what bad numbers are told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from kb.models import Paper
from taxonomy import releases
from taxonomy.models import Mitigation, Release, Risk
from taxonomy.operations import Action, perform, publish_release
from tests.people import person

pytestmark = pytest.mark.django_db
API = "/api/v1"
KEY = "arxiv:2307.15043"
LISTS = ["/", "/risks/", "/mitigations/", "/directions/", "/search/"]


@pytest.fixture
def later() -> int:
    """The number of the release before somebody renamed a risk, a paper and a mitigation."""
    first = Release.objects.first()
    assert first is not None
    ada = person("ada")
    for kind, key, field in (
        ("risk", "deepfake", "name"),
        ("mitigation", "smoothllm", "name"),
        ("paper", KEY, "title"),
    ):
        perform(action=Action("edit", kind, key, {field: "Changed since"}, 1), by=ada, note="x")
    assert publish_release(by=None, note="Later.") is not None
    return first.number


@pytest.mark.parametrize("address", [*LISTS, f"/papers/{KEY}/", "/risks/deepfake/"])
def test_a_page_under_a_release_says_so_and_stays_in_it(
    client: Client, later: int, address: str
) -> None:
    page = client.get(f"{address}?release={later}").content.decode()
    assert f"release {later}</a>" in page
    assert "Changed since" not in page
    main = page[page.index("<main") : page.index("</main>")]
    rooms = "stages|risks|categories|mitigations|directions|papers|search"
    links = set(re.findall(rf'href="(/(?:{rooms})/[^"]*)"', main))
    assert links - {address}
    assert all(f"release={later}" in link for link in links - {address}), links
    now = client.get(f"{address}?release={later + 1}").content.decode()
    assert ("Changed since" in now) == (address not in {"/", "/directions/", "/search/"})


def test_papers_of_a_release_are_narrowed_and_found_by_words(client: Client, later: int) -> None:
    where = f"/search/?release={later}"
    found = client.get(f"{where}&risk=adversarial-suffix&kind=attack")
    keys = [line.key for line in found.context["page"].object_list]
    assert KEY in keys
    live = client.get("/search/?risk=adversarial-suffix&kind=attack")
    assert found.context["page"].paginator.count == live.context["count"]
    title = Paper.objects.get(key="arxiv:2310.03684").title
    words = client.get(where, {"release": later, "q": title}).context["page"].object_list
    assert [line.key for line in words] == ["arxiv:2310.03684"]
    many = client.get(where)
    assert many.context["page"].paginator.num_pages > 1
    assert f"release={later}&amp;page=2" in many.content.decode()


@pytest.mark.parametrize("value", ["999", "x", "", "-1", "1.5", "²", "99999999999999999999"])
@pytest.mark.parametrize("address", [*LISTS, f"/papers/{KEY}/"])
def test_a_bad_number_is_told_so(client: Client, address: str, value: str) -> None:
    page = client.get(address, {"release": value})
    assert page.status_code == 404
    text = page.content.decode()
    assert "There is no release" in text or "A release is a number" in text


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/coverage/?release=1", "Releases keep"),
        ("/search/papers.json?release=1", "Releases keep"),
        ("/search/?release=1&stage=deploymnt", "deployment"),
        ("/search/?release=1&kind=atack", "attack"),
        ("/mitigations/?release=1&stage=lunch", "Nothing is called"),
        ("/papers/arxiv:0000.00000/?release=1", "has no paper"),
    ],
)
def test_what_a_release_does_not_have_is_said(client: Client, address: str, said: str) -> None:
    page = client.get(address)
    assert page.status_code == 404
    assert said in page.content.decode()


def test_a_release_of_before_papers_were_recorded_says_so(client: Client) -> None:
    """Releases are for ever, those of earlier versions too: they have fewer parts."""
    first = Release.objects.first()
    assert first is not None
    parts = {n: rows for n, rows in first.snapshot.items() if n not in {"papers", "proposals"}}
    old = Release.objects.create(number=77, snapshot=parts, digest="0" * 64)
    assert b"before releases recorded papers" in client.get("/search/?release=77").content
    page = client.get(f"/papers/{KEY}/?release=77").content.decode()
    assert f"<h1>{KEY}</h1>" in page
    assert "/risks/adversarial-suffix/?release=77" in page
    assert "papers, proposals" in client.get(f"/releases/77/to/{first.number}/").content.decode()
    assert releases.diff(old, first) == []


def test_a_paper_keeps_its_plain_words_and_its_summary(client: Client, later: int) -> None:
    bea = person("bea")
    for field in ("tldr", "summary"):
        old = Paper.objects.get(key=KEY)
        action = Action("edit", "paper", KEY, {field: "Otherwise since."}, old.version)
        perform(action=action, by=bea, note="x")
        page = client.get(f"/papers/{KEY}/?release={later}").content.decode()
        assert "Otherwise since." not in page
        assert escape(getattr(old, field)) in page


@pytest.mark.parametrize("address", LISTS)
def test_the_first_releases_had_fewer_parts_still(client: Client, address: str) -> None:
    first = Release.objects.first()
    assert first is not None
    parts = {name: first.snapshot[name] for name in ("stages", "categories", "risks")}
    Release.objects.create(number=78, snapshot=parts, digest="1" * 64)
    assert client.get(f"{address}?release=78").status_code == 200


def ask(client: Client, address: str, status: int = 200) -> Any:
    response = client.get(API + address)
    assert response.status_code == status, response.content[:300]
    return response.json()


@pytest.mark.parametrize(
    ("kind", "model"), [("risks", Risk), ("papers", Paper), ("mitigations", Mitigation)]
)
def test_the_api_pages_through_a_release(client: Client, kind: str, model: Any) -> None:
    name, seen, link = ("key" if kind == "papers" else "slug"), [], f"/{kind}/?release=1"
    link = f"{API}{link}&page_size=200"
    while link:
        page = client.get(link).json()
        assert page["release"] == 1
        seen += [row[name] for row in page["results"]]
        link = page["next"]
    assert len(seen) == len(set(seen)) == page["count"] == model.objects.count()
    assert page["previous"] is None or "release=1" in page["previous"]


def test_the_api_has_a_paper_as_it_was(client: Client, later: int) -> None:
    old = ask(client, f"/papers/{KEY}/?release={later}")
    assert old["title"] != "Changed since"
    assert {"risk": "adversarial-suffix", "kind": "attack"}.items() <= old["placements"][0].items()
    assert ask(client, f"/papers/{KEY}/?release={later + 1}")["title"] == "Changed since"
    found = ask(client, f"/papers/?release={later}&risk=adversarial-suffix&kind=attack")
    live = ask(client, "/papers/?risk=adversarial-suffix&kind=attack")
    assert found["count"] == live["count"] > 0


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/papers/?release=x", 400, "number"),
        ("/papers/?release=999", 404, "no release 999"),
        ("/papers/?release=1&kind=atack", 400, "attack"),
        ("/papers/?release=1&venue=x", 400, "no such parameter"),
        ("/papers/?release=1&cursor=-5", 400, "no place"),
        ("/papers/?release=1&page_size=0", 400, "1 to 200"),
        (f"/papers/{KEY}/?release=999", 404, "no release"),
        ("/papers/arxiv:0000.00000/?release=1", 404, "no paper"),
        ("/coverage/?release=1", 400, "no such parameter"),
    ],
)
def test_the_api_refuses_in_words(client: Client, address: str, status: int, said: str) -> None:
    problem = ask(client, address, status)
    assert said in str(problem)
    assert problem["hint"]
