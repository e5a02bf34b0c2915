"""Pages of runs: list, one run with live progress, request, cancel."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from . import comparing, downloads, figures, operations, queries
from .engine import registry
from .forms import PortfolioForm, RunForm

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
        context["permanent"] = _permanent(request, found.result_digest)
    template = "evals/run.html#status" if request.htmx else "evals/run.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def record(request: HttpRequest, digest: str) -> HttpResponse:
    """The permanent address of a record: whoever has its digest finds it."""
    found = queries.by_digest(digest)
    if found is None:
        raise Http404("No record has this digest.")
    return redirect(found)


def download(request: HttpRequest, pk: uuid.UUID, form: str) -> HttpResponse:
    """A finished run as JSON, CSV or a block for a model card."""
    found = queries.run(pk)
    if found is None or not found.result or form not in downloads.FORMATS:
        raise Http404("There is no such file of a finished run.")
    kind, ending = downloads.FORMATS[form]
    made = {
        "json": lambda: downloads.as_json(found),
        "csv": lambda: downloads.as_csv(found),
        "card": lambda: downloads.as_card(found, _permanent(request, found.result_digest)),
    }
    name = f"{found.mitigation}-{found.result_digest[:12]}.{ending}"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(made[form](), content_type=kind, headers=disposition)


def _permanent(request: HttpRequest, digest: str) -> str:
    return request.build_absolute_uri(reverse("record", args=[digest]))


def compare(request: HttpRequest) -> HttpResponse:
    """Two to five finished runs side by side."""
    try:
        context = comparing.side_by_side(request.GET.getlist("run"))
    except comparing.BadComparison as error:
        choices = queries.finished()[:PAGE_SIZE]
        said = {"trouble": str(error) if "run" in request.GET else "", "choices": choices}
        status = 400 if "run" in request.GET else 200
        return render(request, "evals/compare.html", said, status=status)
    return render(request, "evals/compare.html", context)


def portfolio(request: HttpRequest) -> HttpResponse:
    """Which mitigations of the chosen risks nobody beats, within budgets."""
    form = PortfolioForm(queries.measured_risks(), request.GET)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        runs = queries.newest_measurable(form.cleaned_data["risk"])
        context["rows"] = comparing.portfolio(runs, *form.budgets())
    status = 200 if form.is_valid() else 400
    return render(request, "evals/portfolio.html", context, status=status)


@require_POST
def request_run(request: HttpRequest, mitigation: str) -> HttpResponse:
    """Queue a run from the form, and go to its page."""
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
    except operations.NotAllowed as error:
        messages.info(request, str(error))
        return redirect(f"{reverse('login')}?next={reverse('mitigation', args=[mitigation])}")
    except (operations.QueueFull, operations.NotOffered, operations.TargetNotActive) as error:
        messages.error(request, str(error))
        return redirect("mitigation", mitigation)
    if not new:
        messages.info(request, "This has been asked for before: here is that run.")
    return redirect(found)


@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Stop a queued or running run; where only signed-in people start one, only they stop it."""
    if settings.RUNS == "signed-in" and not request.user.is_authenticated:
        return redirect(f"{reverse('login')}?next={reverse('run', args=[pk])}")
    if not operations.cancel(run_id=pk):
        messages.info(request, "The run had ended already.")
    return redirect("run", pk)
