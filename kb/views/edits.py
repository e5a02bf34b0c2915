"""Editing in place: a row's form, its autosaved draft, and the page for two texts at once."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from kb.curation.diffs import text, words
from kb.curation.forms import RowForm, field_for
from kb.curation.requests import carry_out, current
from taxonomy.kinds import Kind
from taxonomy.models import ChangeItem, EditDraft
from taxonomy.operations import Action, Conflict, Invalid, Result
from taxonomy.operations.actions import require
from taxonomy.operations.values import kind_of

from .refusals import refused

FORGET = "forget"


@never_cache
@login_required
@refused
def edit(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """The form of a row (alone for htmx), and what comes of sending it."""
    require(request.user, "propose")
    spec, row, values = current(kind, key)
    if request.method == "POST":
        return _edited(request, spec, row, key)
    draft = EditDraft.objects.filter(user=person(request), kind=kind, key=key).first()
    version = getattr(row, "version", None)
    if draft and request.GET.get("draft") != FORGET:
        values, version = {**values, **draft.fields}, draft.base_version
    form = _form(request, spec, {**values, "version": version})
    return _show(request, spec, row, key, form, draft=draft)


def person(request: HttpRequest) -> User:
    """Who asks, on a page that only signed-in people reach."""
    return cast(User, request.user)


def _form(request: HttpRequest, spec: Kind, initial: dict[str, Any]) -> RowForm:
    return RowForm(
        request.POST or None, initial=initial, kind=spec, names=spec.editable, by=request.user
    )


def _show(
    request: HttpRequest, spec: Kind, row: Any, key: str, form: RowForm, **more: Any
) -> HttpResponse:
    context = {"kind": spec, "row": row, "key": key, "form": form, **more}
    template = "curate/edit.html#form" if request.htmx else "curate/edit.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=400 if form.errors else 200)


def _edited(request: HttpRequest, spec: Kind, row: Any, key: str) -> HttpResponse:
    form = _form(request, spec, {})
    if not form.is_valid():
        return _show(request, spec, row, key, form)
    action = Action("edit", spec.name, key, form.values(), form.cleaned_data["version"])
    try:
        return finish(request, action, form.cleaned_data, row)
    except Invalid as error:
        add_errors(form, error)
        return _show(request, spec, row, key, form)
    except Conflict as conflict:
        return _conflict(request, spec, row, conflict, form)


def add_errors(form: Any, error: Invalid) -> None:
    """Show what curation refused beside the fields it is about."""
    for name, texts in error.errors.items():
        form.add_error(name if name in form.fields else None, texts)


def finish(request: HttpRequest, action: Action, given: dict[str, Any], row: Any) -> HttpResponse:
    """Carry an edit out, say what became of it, and go where it can be seen."""
    done = carry_out(action, by=request.user, note=given["note"], into=given["changeset"])
    if isinstance(done, ChangeItem):
        messages.success(request, "The edit is in your change set. Nothing is live yet.")
        return redirect("changeset", done.changeset_id)
    if not done.changes:
        messages.info(request, "Nothing differs from what is live.")
    else:
        messages.success(request, _said(done))
    return redirect(where(row, done))


def _said(done: Result) -> str:
    rows = len(done.changes)
    return f"Done: {rows} row{'' if rows == 1 else 's'} changed. It can be undone in the history."


def where(row: Any, done: Result | None = None) -> str:
    """The page on which a row is seen."""
    for name in ("", "risk", "category", "paper"):
        found = getattr(row, name, None) if name else row
        if found is not None and hasattr(found, "get_absolute_url"):
            return str(found.get_absolute_url())
    return str(done.changeset.get_absolute_url()) if done and done.changeset else reverse("home")


def _conflict(
    request: HttpRequest, spec: Kind, row: Any, conflict: Conflict, form: RowForm
) -> HttpResponse:
    """Both texts side by side; what only one side changed is filled in already."""
    merged = {}
    sides = []
    for clash in conflict.fields:
        merged[clash.field] = clash.theirs if clash.yours == clash.base else clash.yours
        sides.append({"clash": clash, **_side(spec, clash, request)})
    initial = {**form.cleaned_data, **merged, "version": conflict.version}
    fresh = RowForm(initial=initial, kind=spec, names=spec.editable, by=request.user)
    for side in sides:
        side["field"] = fresh[side["clash"].field]
    context = {
        "kind": spec,
        "row": row,
        "key": conflict.key,
        "conflict": conflict,
        "sides": [s for s in sides if s["clash"].theirs != s["clash"].yours],
        "agreed": [s for s in sides if s["clash"].theirs == s["clash"].yours],
        "form": fresh,
    }
    return render(request, "curate/conflict.html", context, status=409)


def _side(spec: Kind, clash: Any, request: HttpRequest) -> dict[str, Any]:
    base, theirs, yours = (text(v) for v in (clash.base, clash.theirs, clash.yours))
    return {
        "label": field_for(spec, clash.field).label,
        "theirs": words(base, theirs),
        "yours": words(base, yours),
    }


@login_required
@require_POST
@refused
def autosave(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Keep what somebody is typing; answers with a word for the page."""
    require(request.user, "propose")
    spec, _, _ = current(kind, key)
    form = _form(request, spec, {})
    form.is_valid()  # a half-filled form is kept as far as it goes
    fields = {name: form.cleaned_data[name] for name in spec.editable if name in form.cleaned_data}
    EditDraft.objects.update_or_create(
        user=person(request),
        kind=kind,
        key=key,
        defaults={"fields": fields, "base_version": form.cleaned_data.get("version") or 1},
    )
    return HttpResponse("Draft saved.")


@never_cache
@login_required
@refused
def create(request: HttpRequest, kind: str) -> HttpResponse:
    """A new row; the address may fill fields in (``?risk=…``)."""
    require(request.user, "propose")
    spec = kind_of(kind)
    names = tuple(n for n in (*spec.first, *spec.editable) if n != "origin")
    initial = {name: request.GET[name] for name in names if name in request.GET}
    form = RowForm(request.POST or None, initial=initial, kind=spec, names=names, by=request.user)
    if request.method == "POST" and form.is_valid():
        values = {name: v for name, v in form.values().items() if v not in (None, "", [])}
        try:
            action = Action("create", kind, "", values)
            done = carry_out(
                action,
                by=request.user,
                note=form.cleaned_data["note"],
                into=form.cleaned_data["changeset"],
            )
            return _created(request, spec, done)
        except Invalid as error:
            add_errors(form, error)
    context = {"kind": spec, "form": form}
    return render(request, "curate/create.html", context, status=400 if form.errors else 200)


def _created(request: HttpRequest, spec: Kind, done: Result | ChangeItem) -> HttpResponse:
    if isinstance(done, ChangeItem):
        messages.success(request, "The edit is in your change set. Nothing is live yet.")
        return redirect("changeset", done.changeset_id)
    messages.success(request, "Made. It can be undone in the history.")
    row = spec.model._default_manager.get(pk=done.changes[-1].id)
    return redirect(where(row, done))
