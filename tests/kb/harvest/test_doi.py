"""DOIs looked up at an agency on this machine, its moods included; nothing leaves it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kb.harvest import doi
from kb.harvest.arxiv import AGENT, Unreachable
from kb.harvest.doi import ACCEPT, PAUSE_SECONDS, Registry
from kb.harvest.records import Record
from kb.imports import lookup

ITEM = {
    "type": "article-journal",
    "title": ["Quokkas under <i>pressure</i>"],
    "author": [{"family": "Ngô", "given": "Béla"}, {"literal": "Team Quokka"}],
    "issued": {"date-parts": [[2024, 3, 1]]},
    "container-title": ["Journal of Quokkas"],
    "DOI": "10.5555/one",
}
Answer = tuple[int, dict[str, str], bytes]


def said(item: Any = ITEM) -> Answer:
    return 200, {"Content-Type": ACCEPT}, json.dumps(item).encode()


class Agency:
    """Answers by path; one that is not told answers 404. ``slow`` makes it wait so long."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.slow = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.headers.append(dict(self.headers))
                time.sleep(outer.slow)
                status, headers, body = outer.answers.get(self.path, (404, {}, b"not here"))
                try:
                    self.send_response(status)
                    size = len(body) + 99 * ("X-Cut" in headers)
                    for name, value in {**headers, "Content-Length": str(size)}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the client did not wait

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def agency() -> Iterator[Agency]:
    made = Agency()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def registry(agency: Agency) -> Iterator[Registry]:
    pauses: list[float] = []
    made = Registry(agency.address, pauses.append)
    made.pauses = pauses  # type: ignore[attr-defined]
    yield made
    made.session.close()


def test_a_known_doi_is_told_as_its_agency_tells_it(agency: Agency, registry: Registry) -> None:
    agency.answers["/10.5555/one"] = said()
    assert registry.item("10.5555/one") == ITEM
    assert agency.headers[0]["Accept"] == ACCEPT
    assert agency.headers[0]["User-Agent"] == AGENT
    assert registry.pauses == [PAUSE_SECONDS]  # type: ignore[attr-defined]


def test_signs_in_a_doi_are_kept_and_cannot_leave_the_path(
    agency: Agency, registry: Registry
) -> None:
    agency.answers["/10.1002/(sici)1097%3C1:x%3E3.0%3Fa%23b"] = said()
    assert registry.item("10.1002/(sici)1097<1:x>3.0?a#b") == ITEM


def test_an_unknown_doi_is_none(agency: Agency, registry: Registry) -> None:
    assert registry.item("10.5555/nobody") is None
    assert agency.asked == ["/10.5555/nobody"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_an_agency_is_followed(
    agency: Agency, registry: Registry, status: int
) -> None:
    agency.answers["/10.5555/moved"] = (status, {"Location": "/works/10.5555/one"}, b"")
    agency.answers["/works/10.5555/one"] = said()
    assert registry.item("10.5555/moved") == ITEM


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://localhost:1/inside",
        "http://169.254.169.254/latest",
        "//example.org/x",
        "file:///etc",
    ],
)
def test_a_redirect_elsewhere_is_not_followed(
    agency: Agency, registry: Registry, elsewhere: str
) -> None:
    """Whoever registers a DOI says where it leads: never into this network."""
    agency.answers["/10.5555/trap"] = (302, {"Location": elsewhere}, b"")
    assert registry.item("10.5555/trap") is None
    assert agency.asked == ["/10.5555/trap"]


def test_redirects_in_a_circle_end(agency: Agency, registry: Registry) -> None:
    agency.answers["/10.5555/a"] = (302, {"Location": "/10.5555/b"}, b"")
    agency.answers["/10.5555/b"] = (302, {"Location": "/10.5555/a"}, b"")
    assert registry.item("10.5555/a") is None
    assert len(agency.asked) == doi.HOPS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not JSON</html>",
        b'{"title": "cut',
        b"[1, 2]",
        b'"text"',
        b"null",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_item_is_none(agency: Agency, registry: Registry, body: bytes) -> None:
    agency.answers["/10.5555/odd"] = (200, {"Content-Type": ACCEPT}, body)
    assert registry.item("10.5555/odd") is None


def test_deeply_nested_json_is_none(agency: Agency, registry: Registry) -> None:
    agency.answers["/10.5555/deep"] = (200, {}, b"[" * 100_000 + b"]" * 100_000)
    assert registry.item("10.5555/deep") is None


def test_a_huge_answer_is_not_read(
    agency: Agency, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doi, "LARGEST", 1000)
    agency.answers["/10.5555/huge"] = said({**ITEM, "note": "x" * 2000})
    assert registry.item("10.5555/huge") is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_agency_out_of_order_is_unreachable(
    agency: Agency, registry: Registry, status: int
) -> None:
    agency.answers["/10.5555/one"] = (status, {}, b"later")
    with pytest.raises(Unreachable, match=str(status)):
        registry.item("10.5555/one")


def test_who_does_not_answer_in_time_is_unreachable(
    agency: Agency, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doi, "TIMEOUT", (0.2, 0.2))
    agency.slow = 1.5
    with pytest.raises(Unreachable, match="Timeout"):
        registry.item("10.5555/one")


def test_an_answer_cut_off_is_unreachable(agency: Agency, registry: Registry) -> None:
    status, headers, body = said()
    agency.answers["/10.5555/one"] = (status, {**headers, "X-Cut": "yes"}, body)
    with pytest.raises(Unreachable, match="cannot be reached"):
        registry.item("10.5555/one")


def test_nobody_there_is_unreachable(agency: Agency) -> None:
    agency.http.shutdown()
    agency.http.server_close()
    with pytest.raises(Unreachable, match="cannot be reached"):
        Registry(agency.address, lambda _: None).item("10.5555/one")


def test_rows_are_filled_in_and_one_problem_costs_no_other(
    agency: Agency, registry: Registry, settings: Any
) -> None:
    settings.HARVEST = True
    agency.answers["/10.5555/one"] = said()
    agency.answers["/10.5555/odd"] = (200, {}, b"{")
    agency.answers["/10.5555/untitled"] = said({**ITEM, "title": []})
    names = ["one", "odd", "nobody", "untitled"]
    rows = [Record(number=n, doi=f"10.5555/{name}") for n, name in enumerate(names, 1)]
    found, *others = lookup.looked_up(rows, registry=registry)
    assert (found.number, found.year, found.venue) == (1, 2024, "Journal of Quokkas")
    assert found.authors == ("Béla Ngô", "Team Quokka")
    assert found.problem == ""
    assert {row.problem for row in others} == {"No registration agency knows this DOI."}


def test_after_an_outage_no_more_is_asked_and_every_row_says_why(
    agency: Agency, registry: Registry, settings: Any
) -> None:
    settings.HARVEST = True
    agency.answers["/10.5555/1"] = (503, {}, b"")
    rows = [Record(number=n, doi=f"10.5555/{n}") for n in (1, 2, 3)]
    found = lookup.looked_up(rows, registry=registry)
    assert len(agency.asked) == 1
    assert all("503" in row.problem and "later" in row.problem for row in found)
