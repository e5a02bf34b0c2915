"""Home, stages, categories, risks, directions, frameworks, coverage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from kb import figures
from kb.queries import coverage as queries
from kb.queries import lifecycle

from . import releases

RELEASED = {"stage", "category", "risk", "direction"}
Read = Callable[[str], dict[str, Any] | None]


def home(request: HttpRequest) -> HttpResponse:
    """The stage by kind matrix."""
    if page := releases.listed(request, "stage"):
        return page
    context = {"home": figures.matrix(lifecycle.home()), "api": reverse("api:stages")}
    return render(request, "kb/home.html", context)


def risks(request: HttpRequest) -> HttpResponse:
    """Every risk, by stage."""
    if page := releases.listed(request, "risk"):
        return page
    found = lifecycle.risks().order_by("category__stage__position", "category__position", "name")
    return render(request, "kb/risks.html", {"risks": found, "api": reverse("api:risks")})


def stage(request: HttpRequest, slug: str) -> HttpResponse:
    """A stage and its outline."""
    return _page(request, "kb/stage.html", lifecycle.stage_page, slug, "stage")


def category(request: HttpRequest, slug: str) -> HttpResponse:
    """A category, what is under it, and its papers."""
    return _page(request, "kb/category.html", lifecycle.category_page, slug, "category")


def risk(request: HttpRequest, slug: str) -> HttpResponse:
    """A risk with its mitigations, papers and mappings."""
    try:
        return _page(request, "kb/risk.html", lifecycle.risk_page, slug, "risk")
    except lifecycle.Merged as moved:  # for as long as the merge stands
        return redirect(moved.heir)


def directions(request: HttpRequest) -> HttpResponse:
    """The research directions that the survey names."""
    if page := releases.listed(request, "direction"):
        return page
    found = lifecycle.directions()
    context = {"directions": found, "api": reverse("api:directions")}
    return render(request, "kb/directions.html", context)


def direction(request: HttpRequest, slug: str) -> HttpResponse:
    """A research direction with its questions, risks and papers."""
    return _page(request, "kb/direction.html", lifecycle.direction_page, slug, "direction")


def frameworks(request: HttpRequest) -> HttpResponse:
    """The frameworks that our risks are mapped to."""
    context = {"frameworks": lifecycle.frameworks(), "api": reverse("api:frameworks")}
    return render(request, "kb/frameworks.html", context)


def framework(request: HttpRequest, slug: str) -> HttpResponse:
    """A framework's entries beside our risks."""
    return _page(request, "kb/framework.html", lifecycle.framework_page, slug, "framework")


def coverage(request: HttpRequest) -> HttpResponse:
    """Which risks have papers, mitigations, runnable ones, and measured ones."""
    context = {"coverage": queries.coverage(), "api": reverse("api:coverage")}
    return render(request, "kb/coverage.html", context)


def about(request: HttpRequest) -> HttpResponse:
    """What this is, where it comes from, and what its figures mean."""
    return render(request, "kb/about.html", {"totals": lifecycle.totals()})


def _page(
    request: HttpRequest, template: str, read: Read, slug: str, api: str = ""
) -> HttpResponse:
    if api in RELEASED and (page := releases.asked(request, api, slug)):
        return page
    context = read(slug)
    if context is None:
        raise Http404(f"Nothing here is called {slug!r}.")
    if api:
        context["api"] = reverse(f"api:{api}", args=[slug])
    return render(request, template, context)
