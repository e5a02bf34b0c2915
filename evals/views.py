"""Pages of runs: list, one run with live progress, request, cancel."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from . import figures, operations, queries
from .engine import registry
from .forms import RunForm

PAGE_SIZE = 50


def runs(request: HttpRequest) -> HttpResponse:
    """Every run, newest first."""
    page = Paginator(queries.runs(), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "evals/runs.html", {"page": page, "api": reverse("api:runs")})


@never_cache
def run(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One run: progress while it lasts, then its figures, samples and provenance."""
    found = queries.run(pk)
    if found is None:
        raise Http404("No run has this address.")
    context = {"run": found, "api": reverse("api:run", args=[found.pk])}
    if found.result:
        context |= figures.of_run(found.result)
    template = "evals/run.html#status" if request.htmx else "evals/run.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_POST
def request_run(request: HttpRequest, mitigation: str) -> HttpResponse:
    """Queue a run from the form, and go to its page."""
    if settings.RUNS == "signed-in" and not request.user.is_authenticated:
        return redirect(f"{reverse('login')}?next={reverse('mitigation', args=[mitigation])}")
    try:
        form = RunForm(registry.get_mitigation(mitigation), request.POST)
    except registry.UnknownName as error:
        raise Http404(str(error)) from None
    if not form.is_valid():
        return render(request, "evals/request.html", {"form": form}, status=400)
    try:
        found, new = operations.request_run(
            **form.wanted(), by=request.user, again="again" in request.POST
        )
    except (operations.QueueFull, operations.TargetNotActive) as error:
        messages.error(request, str(error))
        return redirect("mitigation", mitigation)
    if not new:
        messages.info(request, "This has been asked for before: here is that run.")
    return redirect(found)


@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Stop a queued or running run."""
    if not operations.cancel(run_id=pk):
        messages.info(request, "The run had ended already.")
    return redirect("run", pk)
