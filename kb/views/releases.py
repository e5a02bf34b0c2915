"""Releases: list, one, the difference of two, files; and pages as a release had them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from kb.curation.diffs import text, words
from kb.curation.released import page
from taxonomy import releases
from taxonomy.models import Release
from taxonomy.operations import Invalid, freeze

from .refusals import refused

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
        "parts": [(name, len(rows)) for name, rows in found.snapshot.items()],
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
    context = {"old": before, "new": after, "parts": parts}
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
    number = request.GET.get("release")
    if number is None:
        return None
    if not (number.isdecimal() and len(number) < 10):
        raise Http404("A release is a number, such as ?release=1.")
    found = found_or_404(int(number))
    context = page(found, kind, slug)
    if context is None:
        raise Http404(f"Release {number} has no {kind} {slug!r}.")
    context |= {
        "release": found,
        "kind": kind,
        "api": f"{reverse(f'api:{kind}', args=[slug])}?release={number}",
    }
    return render(request, "curate/released.html", context)
