"""One paper."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from kb.queries import papers

from . import releases


def paper(request: HttpRequest, key: str) -> HttpResponse:
    """One paper: facts, summary, where it belongs and why, what is near to it."""
    if page := releases.asked(request, "paper", key):
        return page
    found = papers.paper(key)
    if found is None:
        if moved := papers.moved_to(key):
            return redirect(moved, permanent=True)
        raise Http404(f"No paper has the key {key!r}. Keys look like arxiv:2307.15043.")
    context = {
        "paper": found,
        "similar": papers.similar(found),
        "api": reverse("api:paper", args=[found.key]),
    }
    return render(request, "kb/paper.html", context)
