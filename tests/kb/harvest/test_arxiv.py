"""Harvesting from a server on this machine that speaks arXiv's Atom, its moods included."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse
from xml.sax.saxutils import escape

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import given
from hypothesis import strategies as st

from kb import operations, search, tasks
from kb.harvest.arxiv import AGENT, PAUSE_SECONDS, Arxiv, Unreachable, parse
from kb.models import Embedding, Paper
from kb.search import Mode
from kb.search._vectors import text_digest

pytestmark = pytest.mark.django_db
KNOWN = ("2307.15043", "2310.03684", "2309.00614")
TEXT = "Quokkas are measured under laboratory conditions, and every one of them is found cheerful."
Answer = tuple[int, dict[str, str], bytes]


class Server:
    """An arXiv of three papers. ``moods`` are answers to give before behaving."""

    def __init__(self, titles: dict[str, str]) -> None:
        self.titles = titles
        self.asked: list[list[str]] = []
        self.agents: set[str] = set()
        self.moods: list[Answer] = []
        self.change: Callable[[str, str], str] = lambda arxiv_id, entry: entry
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                ids = parse_qs(urlparse(self.path).query)["id_list"][0].split(",")
                outer.asked.append(ids)
                outer.agents.add(self.headers["User-Agent"])
                status, headers, body = outer.moods.pop(0) if outer.moods else outer.feed(ids)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}/api/query"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def feed(self, ids: list[str]) -> Answer:
        found = (self.change(i, entry(i, title=self.titles[i])) for i in ids if i in self.titles)
        body = f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(found)}</feed>'
        return 200, {"Content-Type": "application/atom+xml"}, body.encode()


def entry(arxiv_id: str, abstract: str = TEXT, title: str = "Something else entirely") -> str:
    return (
        f"<entry><id>http://arxiv.org/abs/{arxiv_id}v3</id><title>{escape(title)}</title>"
        f"<summary>\n  {escape(abstract)}\n</summary>"
        "<author><name>Ada Écrivain</name></author></entry>"
    )


@pytest.fixture
def titles() -> dict[str, str]:
    """Read beforehand: the server's threads do not see this test's transaction."""
    return dict(Paper.objects.filter(arxiv_id__in=KNOWN).values_list("arxiv_id", "title"))


@pytest.fixture
def server(titles: dict[str, str]) -> Iterator[Server]:
    made = Server(titles)
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(server: Server, waits: list[float]) -> Iterator[Arxiv]:
    made = Arxiv(server.address, sleep=waits.append)
    yield made
    made.session.close()


@pytest.fixture(autouse=True)
def few_missing(db: None) -> None:
    """Everything but three known papers and two unknown ones has been asked for before."""
    from django.utils import timezone

    later = Paper.objects.filter(arxiv_id__gt="2401").order_by("arxiv_id")
    unknown = list(later.values_list("arxiv_id", flat=True)[:2])
    Paper.objects.exclude(arxiv_id__in=[*KNOWN, *unknown]).update(abstract_at=timezone.now())


def test_what_arrives_is_stored_with_its_source_and_searchable_at_once(
    client: Arxiv, server: Server
) -> None:
    counts = operations.harvest(client=client)
    assert counts == {"stored": 3, "unknown": 2}
    paper = Paper.objects.get(arxiv_id=KNOWN[0])
    assert paper.abstract == TEXT
    assert paper.abstract_source == "arXiv API"
    assert paper.abstract_at is not None
    hits = search.rank("cheerful quokkas", Paper.objects.all(), Mode.KEYWORD).hits[:3]
    assert paper.pk in {hit.paper_id for hit in hits}
    assert Embedding.objects.get(paper=paper).text_digest == text_digest(paper.text)
    assert server.agents == {AGENT}


def test_nothing_is_asked_twice(client: Arxiv, server: Server) -> None:
    operations.harvest(client=client)
    before = len(server.asked)
    assert operations.harvest(client=client) == {}
    assert len(server.asked) == before


def test_batches_hold_a_hundred_and_pause_between(
    client: Arxiv, server: Server, waits: list[float]
) -> None:
    sizes = [len(batch) for batch, _ in client.entries([f"2401.{i:05}" for i in range(230)])]
    assert sizes == [100, 100, 30]
    assert waits == [PAUSE_SECONDS, PAUSE_SECONDS]


def test_a_throttled_request_waits_as_told_and_goes_on(
    client: Arxiv, server: Server, waits: list[float]
) -> None:
    server.moods = [(503, {"Retry-After": "17"}, b""), (429, {}, b"")]
    assert operations.harvest(client=client)["stored"] == 3
    assert waits[0] == 17
    assert waits[1] < waits[2]


@pytest.mark.parametrize(
    "mood",
    [
        (200, {}, b"<feed"),
        (200, {}, b"<!DOCTYPE x [<!ENTITY a 'b'>]><feed>&a;</feed>"),
        (500, {}, b"oops"),
    ],
)
def test_a_server_that_stays_broken_is_given_up(
    client: Arxiv, server: Server, mood: Answer
) -> None:
    server.moods = [mood] * 9
    with pytest.raises(Unreachable):
        operations.harvest(client=client)
    assert len(server.asked) == 4
    assert not Paper.objects.filter(abstract=TEXT).exists()


def test_a_refusal_is_not_repeated(client: Arxiv, server: Server) -> None:
    server.moods = [(400, {}, b"")] * 3
    with pytest.raises(Unreachable, match="status 400"):
        operations.harvest(client=client)
    assert len(server.asked) == 1


def test_withdrawn_strange_and_empty_ones_are_left(
    client: Arxiv, server: Server, titles: dict[str, str]
) -> None:
    said = "This paper has been withdrawn by its authors because of an error in Lemma 4."
    changed = {
        KNOWN[0]: entry(KNOWN[0], said, titles[KNOWN[0]]),
        KNOWN[1]: entry(KNOWN[1]),
        KNOWN[2]: entry(KNOWN[2], "short", titles[KNOWN[2]]),
    }
    server.change = lambda arxiv_id, given: changed[arxiv_id]
    counts = operations.harvest(client=client)
    assert counts == {"withdrawn": 1, "other title": 1, "empty": 1, "unknown": 2}
    assert not Paper.objects.exclude(abstract="").exists()


def test_what_came_before_a_failure_is_kept(
    server: Server, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb.harvest.arxiv.BATCH", 2)
    good = server.feed
    broken: Answer = (500, {}, b"")
    calls = iter([good, lambda ids: broken])
    server.feed = lambda ids: next(calls, lambda i: broken)(ids)  # type: ignore[method-assign]
    client = Arxiv(server.address, sleep=waits.append)
    with pytest.raises(Unreachable):
        operations.harvest(client=client)
    client.session.close()
    assert Paper.objects.exclude(abstract_at=None).count() == Paper.objects.count() - 3


def test_the_command_says_what_became_of_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb.harvest.arxiv.PAUSE_SECONDS", 0)
    out = StringIO()
    call_command("harvest_abstracts", address=server.address, stdout=out)
    assert "stored 3" in out.getvalue()
    Paper.objects.filter(arxiv_id=KNOWN[0]).update(abstract="", abstract_at=None)
    with pytest.raises(CommandError, match="run this again later"):
        call_command("harvest_abstracts", address="http://127.0.0.1:9/", stdout=out)


def test_the_background_is_quiet_where_it_may_not_or_cannot(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def silent(**kwargs: Any) -> None:
        asked.append(kwargs)
        raise Unreachable("no answer")

    monkeypatch.setattr(operations, "harvest", silent)
    settings.HARVEST = False
    tasks.harvest(0)
    assert not asked
    settings.HARVEST = True
    tasks.harvest(0)
    assert len(asked) == 1


def test_a_file_is_imported_whole_or_not_at_all(tmp_path: Path) -> None:
    title = Paper.objects.get(arxiv_id=KNOWN[0]).title
    row = json.dumps({"key": KNOWN[0], "title": title, "abstract": TEXT})
    path = tmp_path / "abstracts.jsonl"
    path.write_text(f"{row}\nnot json\n")
    with pytest.raises(CommandError, match="line 2") as error:
        call_command("import_abstracts", path)
    assert error.value.returncode == 2
    assert not Paper.objects.filter(abstract=TEXT).exists()
    path.write_text(f'{row}\n{{"key": "1", "title": "x", "abstract": "y"}}\n')
    out = StringIO()
    call_command("import_abstracts", path, stdout=out)
    assert "stored 1" in out.getvalue()
    assert "not here 1" in out.getvalue()


@given(st.binary(max_size=300))
def test_no_answer_makes_the_parser_fail_otherwise(content: bytes) -> None:
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        parse(content)
    except (ElementTree.ParseError, DefusedXmlException):
        pass
