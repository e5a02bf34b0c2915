"""The entrance of the API."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import reverse

COLLECTIONS = (
    "stages",
    "categories",
    "risks",
    "papers",
    "search",
    "mitigations",
    "frameworks",
    "directions",
    "coverage",
    "targets",
    "runs",
    "imports",
    "paper-imports",
    "queue",
    "suggestions",
    "changesets",
    "releases",
    "tokens",
    "changes",
    "schema",
    "docs",
)


def root(request: HttpRequest) -> JsonResponse:
    """Where each collection is."""
    links = {name: request.build_absolute_uri(reverse(f"api:{name}")) for name in COLLECTIONS}
    return JsonResponse(links)
