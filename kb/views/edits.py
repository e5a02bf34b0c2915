"""Editing in place: a row's form, its autosaved draft, and the page for two texts at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import localtime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from kb.curation.diffs import text, words
from kb.curation.forms import RowForm, field_for
from kb.curation.requests import NEW_ROW, carry_out, current
from taxonomy.kinds import Kind
from taxonomy.models import ChangeItem, EditDraft
from taxonomy.operations import Action, Conflict, Invalid, Missing, Result, changesets
from taxonomy.operations.actions import require, stale
from taxonomy.operations.values import kind_of

from .refusals import refused

FORGET = "forget"


@never_cache
@login_required
@refused
def edit(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """The form of a row (alone for htmx), and what comes of sending it.

    With ``?set=`` it is the edit of that row in one's own change set which is edited again.
    """
    require(request.user, "propose")
    spec, row, now = current(kind, key)
    item = _proposed(request, kind, key)
    if request.method == "POST":
        return _edited(request, Editing(spec, row, key, now, item))
    editing = Editing(spec, row, key, now, item)
    draft = EditDraft.objects.filter(user=person(request), kind=kind, key=key).first()
    version, values = row.version, {**now, **(item.fields if item else {})}
    if draft and not item and request.GET.get("draft") != FORGET:
        values, version = {**values, **draft.fields}, draft.base_version
    else:
        draft = None
    initial = {**values, "version": version, "back": _from(request)}
    return _show(request, editing, _form(request, editing, initial), draft=draft)


@dataclass(frozen=True)
class Editing:
    """What is being edited: the row, its plain values now, and the proposal, if it is one."""

    kind: Kind
    row: Any
    key: str
    now: dict[str, Any]
    item: ChangeItem | None = None

    def differing(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values that are not those of the row now; an empty one is like none."""
        return {n: v for n, v in values.items() if _plain(v) != _plain(self.now[n])}


def _plain(value: Any) -> Any:
    if value in ("", None, []):
        return None
    return value if isinstance(value, str | int | float) else list(value)


def person(request: HttpRequest) -> User:
    """Who asks, on a page that only signed-in people reach."""
    return cast(User, request.user)


def _proposed(request: HttpRequest, kind: str, key: str) -> ChangeItem | None:
    """The edit of a row in one's own set that ``set`` names; raises Missing."""
    number = request.POST.get("set") or request.GET.get("set")
    if not number:
        return None
    mine = ChangeItem.objects.filter(changeset__author=person(request), op="edit", kind=kind)
    known = number.isdecimal() and len(number) < 19
    found = mine.filter(changeset=int(number), key=key).first() if known else None
    if found is None:
        raise Missing("That set has no edit of this row, or it is not yours.")
    return found


def _from(request: HttpRequest) -> str:
    """The page on which a form was opened in place, to come back to."""
    return str(request.htmx.current_url_abs_path or "") if request.htmx else ""  # type: ignore[attr-defined]


def _form(request: HttpRequest, editing: Editing, initial: dict[str, Any]) -> RowForm:
    spec = editing.kind
    form = RowForm(
        request.POST or None,
        initial=initial,
        kind=spec,
        names=spec.editable,
        now=editing.now,
        by=request.user,
        # Rows without a name are edited beside one another on one page.
        auto_id=f"{spec.name}{editing.key}_%s" if spec.key == "pk" else "id_%s",
    )
    return _without_reason(form) if editing.item else form


def _without_reason(form: RowForm) -> RowForm:
    """What is in a set already has its reason there."""
    del form.fields["note"], form.fields["changeset"]
    return form


def _show(request: HttpRequest, editing: Editing, form: RowForm, **more: Any) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        form.fields[editing.kind.editable[0]].widget.attrs["autofocus"] = True
    context = {**_context(editing), "form": form, "back": where(editing.row), **more}
    template = "curate/edit.html#form" if request.htmx else "curate/edit.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=400 if form.errors else 200)


def _context(editing: Editing) -> dict[str, Any]:
    return {"kind": editing.kind, "row": editing.row, "key": editing.key, "item": editing.item}


def _edited(request: HttpRequest, editing: Editing) -> HttpResponse:
    form = _form(request, editing, {})
    if not form.is_valid():
        return _show(request, editing, form)
    values, version = form.values(), form.cleaned_data["version"]
    every = Action("edit", editing.kind.name, editing.key, values, version)
    fresh = version == editing.row.version
    try:
        if fresh and not editing.item and not editing.differing(values):
            return _nothing(request, editing, form)
        action = replace(every, fields=editing.differing(values)) if fresh else every
        return _save(request, editing, action, form)
    except Invalid as error:
        add_errors(form, error)
        return _show(request, editing, form)
    except Conflict:
        return _conflict(request, editing, stale(every), form)


def _save(request: HttpRequest, editing: Editing, action: Action, form: RowForm) -> HttpResponse:
    item, by = editing.item, request.user
    if item is None:
        return finish(request, action, form.cleaned_data, editing.row)
    changesets.rebase(item=item, fields=action.fields, by=by, version=action.version)
    messages.success(request, "The set proposes it so now.")
    return redirect(f"{item.changeset.get_absolute_url()}#item-{item.position}")


def _nothing(request: HttpRequest, editing: Editing, form: RowForm) -> HttpResponse:
    person_, kind = person(request), editing.kind.name
    EditDraft.objects.filter(user=person_, kind=kind, key=editing.key).delete()
    messages.info(request, "Nothing differs from what is live.")
    return redirect(_safe(request, form.cleaned_data) or where(editing.row))


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
    return redirect(_safe(request, given) or where(row, done))


def _safe(request: HttpRequest, given: dict[str, Any]) -> str:
    """The page of ours that a form was opened on; empty where it says none, or another's."""
    back = str(given.get("back") or "")
    ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return back if back.startswith("/") and ours else ""


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
    request: HttpRequest, editing: Editing, conflict: Conflict, form: RowForm
) -> HttpResponse:
    """Both texts side by side; what only one side changed is filled in already."""
    merged, sides, spec = {}, [], editing.kind
    for clash in conflict.fields:
        merged[clash.field] = clash.theirs if clash.yours == clash.base else clash.yours
        sides.append({"clash": clash, **_side(spec, clash)})
    initial = {**form.cleaned_data, **merged, "version": conflict.version}
    fresh = RowForm(
        initial=initial, kind=spec, names=spec.editable, now=editing.now, by=request.user
    )
    for side in sides:
        side["field"] = fresh[side["clash"].field]
    context = {
        **_context(editing),
        "conflict": conflict,
        "sides": [s for s in sides if s["clash"].theirs != s["clash"].yours],
        "agreed": [s for s in sides if s["clash"].theirs == s["clash"].yours],
        "form": _without_reason(fresh) if editing.item else fresh,
    }
    return render(request, "curate/conflict.html", context, status=409)


def _side(spec: Kind, clash: Any) -> dict[str, Any]:
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
    """Keep what somebody is typing, wrong as it may be; answers with a word for the page."""
    require(request.user, "propose")
    if key.startswith(NEW_ROW):
        form = _new_form(request, kind_of(kind), {})
    else:
        spec, row, now = current(kind, key)
        form = _form(request, Editing(spec, row, key, now), {})
    form.is_valid()
    EditDraft.objects.update_or_create(
        user=person(request),
        kind=kind,
        key=key[:200],
        defaults={"fields": form.kept(), "base_version": form.cleaned_data.get("version") or 1},
    )
    return HttpResponse(f"Draft saved, {localtime():%H:%M}.")


@login_required
@require_POST
def throw_away(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one of one's own drafts."""
    EditDraft.objects.filter(pk=pk, user=person(request)).delete()
    messages.success(request, "The draft is gone.")
    return redirect("account")


def _new_form(request: HttpRequest, spec: Kind, initial: dict[str, Any]) -> RowForm:
    names = tuple(n for n in (*spec.first, *spec.editable) if n != "origin")
    return RowForm(request.POST or None, initial=initial, kind=spec, names=names, by=request.user)


@never_cache
@login_required
@refused
def create(request: HttpRequest, kind: str) -> HttpResponse:
    """A new row; the address may fill fields in (``?risk=…``), and each such form has a draft."""
    require(request.user, "propose")
    spec = kind_of(kind)
    given = {n: request.GET[n] for n in (*spec.first, *spec.editable) if n in request.GET}
    key = (NEW_ROW + urlencode(sorted(given.items())))[:200]
    drafts = EditDraft.objects.filter(user=person(request), kind=kind, key=key)
    if request.GET.get("draft") == FORGET:
        drafts.delete()
    draft = drafts.first()
    form = _new_form(request, spec, {**given, **(draft.fields if draft else {})})
    if request.method == "POST" and form.is_valid():
        values = {name: v for name, v in form.values().items() if v not in (None, "", [])}
        note, into = form.cleaned_data["note"], form.cleaned_data["changeset"]
        try:
            done = carry_out(
                Action("create", kind, "", values), by=request.user, note=note, into=into
            )
            drafts.delete()
            return _created(request, spec, done)
        except Invalid as error:
            add_errors(form, error)
    context = {"kind": spec, "form": form, "draft": draft, "key": key}
    return render(request, "curate/create.html", context, status=400 if form.errors else 200)


def _created(request: HttpRequest, spec: Kind, done: Result | ChangeItem) -> HttpResponse:
    if isinstance(done, ChangeItem):
        messages.success(request, "The edit is in your change set. Nothing is live yet.")
        return redirect("changeset", done.changeset_id)
    messages.success(request, "Made. It can be undone in the history.")
    row = spec.model._default_manager.get(pk=done.changes[-1].id)
    return redirect(where(row, done))
