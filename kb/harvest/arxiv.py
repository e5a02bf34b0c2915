"""arXiv's API: abstracts by identifier, politely.

At most 100 identifiers a request, one request every three seconds, one connection, as
arXiv's API terms ask (info.arxiv.org/help/api/tou.html). Answers are Atom (RFC 4287).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import requests
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

ADDRESS = "https://export.arxiv.org/api/query"
BATCH = 100
PAUSE_SECONDS = 3.0
TRIES = 4
TIMEOUT = (5, 60)
AGENT = "Safestack/0.1 (knowledge base of language-model safety; harvests abstracts slowly)"
ATOM = {"a": "http://www.w3.org/2005/Atom", "arxiv": "http://arxiv.org/schemas/atom"}
WITHDRAWN = re.compile(
    r"\b(this|the) (paper|article|submission|work|manuscript) has been withdrawn\b", re.I
)


class Unreachable(Exception):
    """arXiv does not answer, or not with Atom; try again later."""


@dataclass(frozen=True)
class Entry:
    """What arXiv says of one paper. A withdrawn one has no abstract."""

    arxiv_id: str
    title: str
    abstract: str
    authors: tuple[str, ...]
    withdrawn: bool
    doi: str = ""


class Arxiv:
    """A client that keeps one connection and never hurries.

    ``sleep`` stands in for ``time.sleep`` where a test measures the pauses.
    """

    def __init__(self, address: str = ADDRESS, sleep: Callable[[float], None] = time.sleep) -> None:
        self.address, self.sleep = address, sleep
        self.session = requests.Session()
        self.session.headers["User-Agent"] = AGENT

    def entries(self, ids: Sequence[str]) -> Iterator[tuple[Sequence[str], list[Entry]]]:
        """(asked ids, entries found) of each batch; raises Unreachable."""
        for start in range(0, len(ids), BATCH):
            if start:
                self.sleep(PAUSE_SECONDS)
            batch = ids[start : start + BATCH]
            yield batch, self._ask(batch)

    def _ask(self, ids: Sequence[str]) -> list[Entry]:
        """One batch, tried again with growing pauses; raises Unreachable."""
        params: dict[str, str | int] = {"id_list": ",".join(ids), "max_results": len(ids)}
        reason = ""
        for attempt in range(TRIES):
            if attempt:
                self.sleep(PAUSE_SECONDS * 2**attempt)
            try:
                answer = self.session.get(self.address, params=params, timeout=TIMEOUT)
                if answer.status_code == 200:
                    return parse(answer.content)
                reason = f"status {answer.status_code}"
                if answer.status_code not in {429, 500, 502, 503, 504}:
                    break
                self._wait_as_told(answer)
            except requests.ConnectionError as error:
                raise Unreachable(f"arXiv cannot be reached: {type(error).__name__}") from None
            except (
                requests.RequestException,
                ElementTree.ParseError,
                DefusedXmlException,
            ) as error:
                reason = type(error).__name__
        raise Unreachable(f"arXiv does not answer as it should ({reason}).")

    def _wait_as_told(self, answer: requests.Response) -> None:
        seconds = answer.headers.get("Retry-After", "")
        if seconds.isdecimal():
            self.sleep(min(float(seconds), 300.0))


def parse(content: bytes) -> list[Entry]:
    """The entries of an Atom feed; raises ParseError where it is not XML.

    arXiv reports an error as an entry whose id lies under ``api/errors``; it is left out.
    """
    feed = ElementTree.fromstring(content)
    found = (_entry(node) for node in feed.findall("a:entry", ATOM))
    return [entry for entry in found if entry is not None]


def _entry(node: ElementTree.Element) -> Entry | None:
    name = re.search(r"/abs/(.+?)(?:v\d+)?$", _text(node, "a:id"))
    if name is None:
        return None
    abstract = _text(node, "a:summary")
    withdrawn = WITHDRAWN.search(abstract[:400]) is not None
    return Entry(
        arxiv_id=name.group(1),
        title=_text(node, "a:title"),
        abstract="" if withdrawn else abstract,
        authors=tuple(_text(author, "a:name") for author in node.findall("a:author", ATOM)),
        withdrawn=withdrawn,
        doi=_text(node, "arxiv:doi"),
    )


def _text(node: ElementTree.Element, path: str) -> str:
    return " ".join((node.findtext(path, "", ATOM) or "").split())
