"""Releases: list, one, the difference of two, files; and pages as a release had them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from kb.curation import released
from kb.curation import released_lists as lists
from kb.curation.diffs import text, words
from taxonomy import releases
from taxonomy.models import Release
from taxonomy.operations import Invalid, freeze

from .refusals import refused

# What a list of a kind is called, and the address of its rows as JSON.
HEADINGS = {
    "stage": ("Stages", "api:stages"),
    "risk": ("Risks", "api:risks"),
    "mitigation": ("Mitigations", "api:mitigations"),
    "direction": ("Research directions", "api:directions"),
    "paper": ("Papers", "api:papers"),
}
DOORS = (
    ("home", "stages"),
    ("risks", "risks"),
    ("mitigations", "mitigations"),
    ("directions", "research directions"),
    ("search", "papers"),
)
AT_ONCE = 100
FOR_EVER = "public, max-age=31536000, immutable"


def listing(request: HttpRequest) -> HttpResponse:
    """Every release, newest first."""
    context = {"releases": list(releases.listed()), "api": reverse("api:releases")}
    return render(request, "curate/releases.html", context)


@login_required
@require_POST
@refused
def make(request: HttpRequest) -> HttpResponse:
    """Freeze the present state."""
    try:
        made = freeze(by=request.user, note=request.POST.get("note", ""))
    except Invalid as error:
        messages.error(request, str(error))
        return redirect("releases")
    return redirect(made)


def found_or_404(number: int) -> Release:
    """A release; Http404 where there is none."""
    found = releases.release(number) if number < 2**31 else None
    if found is None:
        raise Http404(f"There is no release {number}.")
    return found


def one(request: HttpRequest, number: int) -> HttpResponse:
    """A release: what is in it, what it changed, how to cite and check it."""
    found = found_or_404(number)
    others = [other for other in releases.listed() if other.number != number]
    before = next((other for other in others if other.number < number), None)
    context = {
        "release": found,
        "others": others,
        "before": before,
        "doors": DOORS,
        "parts": sorted((name, len(rows)) for name, rows in found.snapshot.items()),
        "diff": releases.diff(found_or_404(before.number), found) if before else None,
        "sets": releases.changesets_in(found),
        "api": reverse("api:release", args=[number]),
    }
    return render(request, "curate/release.html", context)


def diff(request: HttpRequest, old: int, new: int) -> HttpResponse:
    """The difference of any two releases."""
    before, after = found_or_404(old), found_or_404(new)
    parts: list[Any] = releases.diff(before, after)
    for part in parts:
        for row in part.changed:
            row["lines"] = [(n, words(text(a), text(b))) for n, (a, b) in row["fields"].items()]
    context: dict[str, Any] = {"old": before, "new": after, "parts": parts}
    context["unlike"] = releases.unlike(before, after)
    context["api"] = f"{reverse('api:release-diff', args=[new])}?from={old}"
    return render(request, "curate/diff.html", context)


def download(request: HttpRequest, number: int) -> HttpResponse:
    """A release as JSON-lines files with their manifest, zipped."""
    response = HttpResponse(releases.archive(found_or_404(number)), "application/zip")
    name = f"safestack-release-{number}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = FOR_EVER
    return response


def manifest(request: HttpRequest, number: int) -> HttpResponse:
    """The hashes of a release's files."""
    response = JsonResponse(releases.manifest(found_or_404(number)))
    response["Cache-Control"] = FOR_EVER
    return response


def asked(request: HttpRequest, kind: str, slug: str) -> HttpResponse | None:
    """The page of a row as ``?release=`` had it; None where no release is asked for."""
    found = _asked_for(request)
    if found is None:
        return None
    context = released.page(found, kind, slug)
    if context is None:
        raise Http404(f"Release {found.number} has no {kind} {slug!r}.")
    context |= {"release": found, "kind": kind, "keep": f"?release={found.number}"}
    context["api"] = reverse(f"api:{kind}", args=[slug]) + context["keep"]
    return render(request, "curate/released.html", context)


def listed(request: HttpRequest, kind: str) -> HttpResponse | None:
    """A list as ``?release=`` had it; None where no release is asked for."""
    found = _asked_for(request)
    if found is None:
        return None
    heading, collection = HEADINGS[kind]
    try:
        lines = lists.lines(found, kind, request.GET)
    except lists.Unknown as error:
        raise Http404(str(error)) from None
    context = {
        "page": Paginator(lines, AT_ONCE).get_page(request.GET.get("page")),
        "release": found,
        "kind": kind,
        "heading": heading,
        "recorded": kind != "paper" or lines or released.PARTS[kind] in _recorded(found),
        "narrowed": [
            (n, request.GET[n]) for n in lists.NARROWED.get(kind, ()) if request.GET.get(n)
        ],
        "keep": f"?release={found.number}",
        "api": f"{reverse(collection)}?release={found.number}",
    }
    return render(request, "curate/released_list.html", context)


def _recorded(found: Release) -> set[str]:
    return set(releases.parts(found, "papers"))


def _asked_for(request: HttpRequest) -> Release | None:
    """The release that the address names; Http404 where it is no number or none such."""
    number = request.GET.get("release")
    if number is None:
        return None
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise Http404("A release is a number, such as ?release=1.")
    found = releases.without_snapshot(int(number))
    if found is None:
        raise Http404(f"There is no release {number}.")
    return found
