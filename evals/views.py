"""Pages of runs: list, one run with live progress, request, run again, cancel."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from . import comparing, figures, operations, progress, queries, samples, shown
from .engine import registry
from .engine.params import BadParameter
from .forms import PortfolioForm, RunForm
from .models import Run

PAGE_SIZE = 50
CASES_SHOWN = 20
REFUSED = (operations.QueueFull, operations.NotOffered, operations.TargetNotActive)


def runs(request: HttpRequest) -> HttpResponse:
    """Every run, newest first; narrowed by mitigation, risk, status or verdict."""
    asked = {name: request.GET.get(name, "") for name in queries.NARROWED}
    found = queries.narrowed(**asked)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "asked": asked, "choices": queries.choices()}
    return render(request, "evals/runs.html", {**context, "api": reverse("api:runs")})


@never_cache
def run(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One run: progress while it lasts, then its figures, samples and provenance.

    ``beside`` names an earlier run; when this one is done, the two stand side by side.
    """
    found = _found(pk)
    asked = getattr(request, "htmx", None)
    if asked and asked.target == "samples":
        return render(request, "evals/_samples.html", _samples(request, found))
    beside = _beside(request, found)
    if asked and beside and found.status == Run.Status.DONE:
        return HttpResponseClientRedirect(_compared(beside, found))
    context: dict[str, Any] = {"run": found, "api": reverse("api:run", args=[found.pk])}
    context["beside"] = beside
    context["progress"] = progress.of(found)
    if found.result:
        context |= figures.of_run(found.result) | _samples(request, found)
        context |= shown.about(found)
        context["permanent"] = shown.permanent(request, found.result_digest)
    return render(request, "evals/run.html#status" if asked else "evals/run.html", context)


def _found(pk: uuid.UUID) -> Run:
    found = queries.run(pk)
    if found is None:
        raise Http404("No run has this address.")
    return found


def _beside(request: HttpRequest, found: Run) -> Run | None:
    """The earlier run that this one is to be compared with."""
    try:
        other = queries.run(uuid.UUID(request.GET.get("beside", "")))
    except ValueError:
        return None
    return other if other and other.pk != found.pk else None


def _compared(one: Run, other: Run) -> str:
    return f"{reverse('compare')}?run={one.pk}&run={other.pk}"


def _samples(request: HttpRequest, found: Run) -> dict[str, Any]:
    """A page of the run's cases as the reader narrowed them down."""
    every = samples.cases(found.result or {"arms": []})
    asked = {name: request.GET.get(name, "")[:2000] for name in ("q", "group", "view")}
    view = asked["view"] if asked["view"] in samples.VIEWS else ""
    some = samples.search(every, asked["q"], asked["group"], view)
    return {
        "run": found,
        "cases": Paginator(some, CASES_SHOWN).get_page(request.GET.get("page")),
        "every": len(every),
        "groups": list(dict.fromkeys(case.group for case in every)),
        "views": [(v, label) for v, label in samples.VIEWS.items() if _useful(every, v)],
        "asked": asked,
    }


def _useful(every: list[samples.Case], view: str) -> bool:
    return not view or any(getattr(case, view) for case in every)


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

    def ask() -> tuple[Run, bool]:
        return operations.request_run(
            **form.wanted(), by=request.user, again="again" in request.POST
        )

    return _asked(request, ask, reverse("mitigation", args=[mitigation]))


@require_POST
def run_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Measure the same specification anew; with ``compare``, then show both side by side."""
    earlier = _found(pk)

    def ask() -> tuple[Run, bool]:
        return operations.run_again(run=earlier, by=request.user)

    query = f"?beside={earlier.pk}" if "compare" in request.POST else ""
    return _asked(request, ask, earlier.get_absolute_url(), query)


def _asked(
    request: HttpRequest, ask: Callable[[], tuple[Run, bool]], back: str, query: str = ""
) -> HttpResponse:
    """Ask for a run and go to it, or back with the reason why there is none."""
    try:
        found, new = ask()
    except operations.NotAllowed as error:
        messages.info(request, str(error))
        return redirect(f"{reverse('login')}?next={back}")
    except (*REFUSED, registry.UnknownName, BadParameter) as error:
        messages.error(request, str(error))
        return redirect(back)
    if not new:
        messages.info(request, "This has been asked for before: here is that run.")
    return redirect(found.get_absolute_url() + query)


@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Stop a queued or running run; where only signed-in people start one, only they stop it."""
    if settings.RUNS == "signed-in" and not request.user.is_authenticated:
        return redirect(f"{reverse('login')}?next={reverse('run', args=[pk])}")
    if not operations.cancel(run_id=pk):
        messages.info(request, "The run had ended already.")
    return redirect("run", pk)
