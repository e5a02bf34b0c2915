"""What no view should have to think of: a stopped database, an impossible address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string

from . import problems

RETRY_SECONDS = 10
LARGEST_UPLOAD = 32_000_000
# So much of a body that is too large is read and thrown away: a browser shows our answer
# only once it has sent everything.
DRAINED = 256_000_000
CHUNK = 1_000_000
# The pages that open as a release had them.
IN_RELEASES = {
    "home", "stage", "category", "risks", "risk", "mitigations", "mitigation",
    "directions", "direction", "search", "paper",
}  # fmt: skip


class SizeMiddleware:
    """Answers 413 to a body larger than any import, before anything reads or stores it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        size = int(length) if length.isdecimal() and len(length) < 19 else 0
        if size <= LARGEST_UPLOAD:
            return self.get_response(request)
        left = min(size, DRAINED)
        while left > 0 and (read := request.read(min(CHUNK, left))):
            left -= len(read)
        said = f"This is {size / 1e6:,.0f} MB, and the limit is {LARGEST_UPLOAD // 10**6} MB."
        hint = "Split the file, or run `manage.py import_papers FILE` on the server."
        if request.path.startswith("/api/"):
            return problems.response(413, "Content Too Large", hint, detail=said)
        page = render_to_string("413.html", {"said": said, "hint": hint})
        return HttpResponse(page, status=413)


class NulMiddleware:
    """Answers 400 to an address with a NUL character, which PostgreSQL text cannot hold."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" not in request.path and "%00" not in request.META.get("QUERY_STRING", ""):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return problems.response(400, "Bad request", "Take the NUL character out.")
        return HttpResponse(render_to_string("400.html"), status=400)


class ReleaseMiddleware:
    """Answers 404 to ``?release=`` where no release is kept, instead of what is live now."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        """Raise Http404 at a page that releases do not have; the API refuses by itself."""
        match = request.resolver_match
        if "release" not in request.GET or request.path.startswith("/api/") or match is None:
            return
        if match.view_name not in IN_RELEASES:
            kept = "stages, categories, risks, mitigations, research directions and papers"
            raise Http404(f"Releases keep {kept}; this page shows only what is live.")


class DatabaseDownMiddleware:
    """Answers 503 with advice where the database cannot be reached."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        except (OperationalError, InterfaceError):
            return unavailable(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for a view that lost the database, before Django makes it a 500."""
        if isinstance(error, OperationalError | InterfaceError):
            return unavailable(request)
        return None


def unavailable(request: HttpRequest) -> HttpResponse:
    """The 503 answer: problem+json under /api/, a plain page elsewhere."""
    hint = "The database does not answer. Try again in a few seconds."
    if request.path.startswith("/api/"):
        response: HttpResponse = problems.response(503, "Service unavailable", hint)
    else:
        page = render_to_string("503.html", {"hint": hint})
        response = HttpResponse(page, status=503)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response
