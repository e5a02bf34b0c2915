"""The curators' queue: one paper at a time, by mouse or keys."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from kb.models import Decision
from kb.placing import decisions
from kb.queries import papers, placing
from taxonomy.operations import Conflict, Invalid
from taxonomy.operations.actions import require

from .refusals import refused


@never_cache
@login_required
@refused
def queue(request: HttpRequest) -> HttpResponse:
    """The next paper (or ``?paper=``), what is offered for it, and how good offers are."""
    require(request.user, "edit_live")
    context = placing.waiting(request.user, request.GET.get("paper", ""))
    return render(request, "curate/queue.html", {**context, "api": reverse("api:queue")})


@login_required
@require_POST
@refused
def decide(request: HttpRequest, key: str) -> HttpResponse:
    """Carry out what was decided, then show the next paper."""
    paper = papers.paper(key)
    if paper is None:
        raise Http404(f"No paper has the key {key[:80]!r}.")
    given = request.POST
    version = given.get("version", "")
    risks = [*given.getlist("risk"), *filter(None, [given.get("other", "")])]
    try:
        made = decisions.decide(
            paper=paper,
            by=request.user,
            verdict=given.get("verdict", ""),
            version=int(version) if version.isdecimal() and len(version) < 10 else 0,
            risks=risks,
            kind=given.get("kind", ""),
            note=given.get("note", "").strip()[:2000],
        )
    except Invalid as error:
        messages.error(request, str(error))
        return redirect(f"{reverse('queue')}?paper={paper.key}")
    except Conflict:
        messages.error(request, "Somebody changed this paper meanwhile. Look at it again.")
        return redirect(f"{reverse('queue')}?paper={paper.key}")
    messages.success(request, _said(made))
    return redirect("queue")


def _said(made: Decision) -> str:
    if made.changeset is None:
        return format_html("Skipped “{}”.", made.paper.title)
    return format_html(
        "{}: “{}”. <a href='{}'>See or undo</a>",
        made.get_verdict_display().capitalize(),
        made.paper.title,
        made.changeset.get_absolute_url(),
    )
