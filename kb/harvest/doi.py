"""What a DOI's registration agency says of it, as CSL-JSON (DOI content negotiation).

Only the agencies' own hosts are asked: whoever registers a DOI chooses where it leads, and
must not be able to make this server ask addresses of theirs (OWASP, request forgery).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from .arxiv import AGENT, Unreachable

ADDRESS = "https://doi.org/"
HOSTS = {
    "doi.org",
    "data.crossref.org",
    "api.crossref.org",
    "data.crosscite.org",
    "data.datacite.org",
    "api.datacite.org",
}
ACCEPT = "application/vnd.citationstyles.csl+json"
HOPS = 4
LARGEST, CHUNK = 5_000_000, 65_536
PAUSE_SECONDS = 0.2
TIMEOUT = (5, 30)


class Registry:
    """A client that asks for one DOI after another; ``sleep`` stands in for ``time.sleep``."""

    def __init__(self, address: str = ADDRESS, sleep: Callable[[float], None] = time.sleep) -> None:
        self.address, self.sleep = address, sleep
        self.hosts = HOSTS | {urlsplit(address).hostname or ""}
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": AGENT, "Accept": ACCEPT})

    def item(self, doi: str) -> dict[str, Any] | None:
        """The CSL item of a DOI; None where nobody knows it. Raises Unreachable."""
        self.sleep(PAUSE_SECONDS)
        address = self.address + quote(doi, safe="/:;()")
        try:
            for _ in range(HOPS):
                answer = self.session.get(
                    address, timeout=TIMEOUT, allow_redirects=False, stream=True
                )
                if answer.is_redirect:
                    address = urljoin(address, answer.headers["Location"])
                    if urlsplit(address).hostname not in self.hosts:
                        return None
                    continue
                return self._read(answer)
        except requests.RequestException as error:
            raise Unreachable(f"doi.org cannot be reached: {type(error).__name__}") from None
        return None

    def _read(self, answer: requests.Response) -> dict[str, Any] | None:
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Unreachable(f"doi.org answers with status {answer.status_code}")
        if answer.status_code != 200:
            return None
        body = bytearray()
        for piece in answer.iter_content(CHUNK):
            body += piece
            if len(body) > LARGEST:
                return None
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None
