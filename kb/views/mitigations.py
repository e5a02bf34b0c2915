"""Mitigations: the catalogue, and one with its runs and its Run form."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from evals.forms import RunForm
from kb.queries import lifecycle
from kb.queries import mitigations as queries

from . import releases


def mitigations(request: HttpRequest) -> HttpResponse:
    """The catalogue, the runnable ones first; ``?stage=`` keeps those of one stage."""
    if page := releases.listed(request, "mitigation"):
        return page
    stages, stage = list(lifecycle.stages()), request.GET.get("stage", "")
    if stage and stage not in {known.slug for known in stages}:
        raise Http404(f"No stage is called {stage!r}.")
    context = {
        "mitigations": queries.mitigations(stage),
        "stages": stages,
        "stage": stage,
        "api": reverse("api:mitigations"),
    }
    return render(request, "kb/mitigations.html", context)


def mitigation(request: HttpRequest, slug: str) -> HttpResponse:
    """A mitigation: what it answers, what it costs, what was measured here."""
    if page := releases.asked(request, "mitigation", slug):
        return page
    context = queries.mitigation_page(slug)
    if context is None:
        raise Http404(f"No mitigation is called {slug!r}.")
    context["api"] = reverse("api:mitigation", args=[slug])
    if context["engine"]:
        context["form"] = RunForm(context["engine"], initial=request.GET.dict())
    return render(request, "kb/mitigation.html", context)
