"""Merging two papers that are one: the other is chosen, then each field that differs."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from kb.curation import merging
from kb.curation.forms import WhyForm, field_for
from kb.curation.requests import current
from kb.curation.shown import changes_shown
from kb.harvest.identifiers import key_for
from kb.models import Paper
from kb.queries import papers
from kb.search import identifier
from taxonomy.kinds import get
from taxonomy.operations import Action, Invalid, perform
from taxonomy.operations.actions import require

from .edits import add_errors, finish
from .refusals import refused

NEAR = 6


@never_cache
@login_required
@refused
def merge(request: HttpRequest, key: str) -> HttpResponse:
    """First which paper it is (``?into=``), then whose fields stay; a preview; the merge."""
    require(request.user, "propose")
    _, gone, _ = current("paper", key)
    asked = request.POST.get("into", request.GET.get("into", "")).strip()
    heir = _named(asked) if asked else None
    context: dict[str, Any] = {"gone": gone, "heir": heir, "asked": asked}
    if heir is None or heir.pk == gone.pk:
        context["near"] = papers.similar(gone, NEAR)
        return render(request, "curate/merge_choose.html", context, status=400 if asked else 200)
    form = WhyForm(request.POST or None, by=request.user)
    rows = _rows(request, gone, heir)
    context |= {"form": form, "rows": rows, "version": request.POST.get("version", gone.version)}
    if request.method == "POST" and form.is_valid():
        try:
            action = _action(request, gone, heir, rows)
            if "preview" in request.POST:
                done = perform(action=action, by=request.user, note="", dry_run=True)
                shown = changes_shown([done.changes])[0]
                context["result"] = {"counts": done.counts, "shown": shown}
            else:
                return finish(request, action, form.cleaned_data, heir)
        except Invalid as error:
            add_errors(form, error)
    return render(request, "curate/merge.html", context, status=400 if form.errors else 200)


def _named(text: str) -> Paper | None:
    """The paper that a key, an identifier or an address of one names."""
    named = identifier(text)
    return (
        papers.paper(text)
        or papers.moved_to(text)
        or (Paper.objects.filter(**named).first() if named else None)
        or papers.paper(key_for("", "", text))
    )


def _rows(request: HttpRequest, gone: Paper, heir: Paper) -> list[dict[str, Any]]:
    """The fields that differ, with the side that is chosen."""
    rows = []
    for name, there, here, empty in merging.both(gone, heir):
        usual = "there" if empty else "here"
        chosen = request.POST.get(f"{name}_from", usual)
        label = field_for(get("paper"), name).label
        rows.append({"name": name, "label": label, "there": there, "here": here, "chosen": chosen})
    return rows


def _action(request: HttpRequest, gone: Paper, heir: Paper, rows: list[dict[str, Any]]) -> Action:
    """The merge with the chosen values."""
    sides = {row["name"]: row["there"] if row["chosen"] == "there" else row["here"] for row in rows}
    text = request.POST.get("version", "")
    version = int(text) if text.isdecimal() and len(text) < 10 else None
    return Action("merge", "paper", gone.key, {"into": heir.key, "fields": sides}, version)
