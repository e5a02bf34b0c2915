"""Change sets: list, one with its whole difference to what is live, review, revert."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from kb.curation import effects
from kb.curation.shown import Shown, changes_shown, said
from kb.curation.verbs import VERBS
from kb.search import EmbedderError
from taxonomy.models import ChangeItem, ChangeSet
from taxonomy.operations import (
    Change,
    Conflict,
    Invalid,
    RevertConflict,
    WrongState,
    changesets,
)
from taxonomy.operations.actions import require
from taxonomy.operations.revert import revert as undo

from .refusals import refused

PAGE_SIZE = 50
STATES = dict(ChangeSet.State.choices)


def listing(request: HttpRequest) -> HttpResponse:
    """Every set, newest first; ``?state=``, ``?mine=1`` and ``?direct=1`` narrow."""
    found = ChangeSet.objects.select_related("author", "reviewer")
    state = request.GET.get("state", "")
    if state and state not in STATES:
        raise Http404(f"No change set is ever {state!r}.")
    found = found.filter(state=state) if state else found
    if request.GET.get("mine") and request.user.is_authenticated:
        found = found.filter(author=request.user)
    if not request.GET.get("direct"):
        found = found.filter(direct=False)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "states": STATES, "state": state, "api": reverse("api:changesets")}
    return render(request, "curate/changesets.html", context)


@never_cache
@login_required
@refused
def begin(request: HttpRequest) -> HttpResponse:
    """A new, empty set."""
    if request.method == "POST":
        found = changesets.draft(
            by=request.user,
            title=request.POST.get("title", ""),
            rationale=request.POST.get("rationale", ""),
        )
        return redirect(found)
    require(request.user, "propose")
    return render(request, "curate/begin.html")


@never_cache
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """A set: its edits against what is live now, or what it changed once published."""
    found = _found(pk)
    items = found.items.prefetch_related("comments__author").select_related("reverted_in")
    context: dict[str, Any] = {
        "set": found,
        "own": found.author_id is not None and found.author_id == request.user.pk,
        "comments": found.comments.filter(item=None).select_related("author"),
        "api": reverse("api:changeset", args=[pk]),
    }
    if found.state == ChangeSet.State.PUBLISHED:
        pairs = [(item, [Change(**c) for c in item.changes]) for item in items]
        context["items"] = [{"item": i, "said": said(i), "changes": s} for i, s in _shown(pairs)]
    else:
        context |= _against_live(found, list(items), request)
    return render(request, "curate/changeset.html", context)


def _found(pk: int) -> ChangeSet:
    known = ChangeSet.objects.select_related("author", "reviewer", "reverts")
    return get_object_or_404(known, pk=pk)


def _shown(
    pairs: list[tuple[ChangeItem, list[Change]]],
) -> list[tuple[ChangeItem, Shown]]:
    shown = changes_shown([changes for _, changes in pairs])
    return [(item, rows) for (item, _), rows in zip(pairs, shown, strict=True)]


def _against_live(
    found: ChangeSet, items: list[ChangeItem], request: HttpRequest
) -> dict[str, Any]:
    preview = changesets.preview(changeset=found, by=request.user)
    shown = changes_shown([one.changes for one in preview.items])
    rows = [
        {
            "item": item,
            "said": said(item),
            "changes": changes,
            "error": one.error,
            "conflict": one.error if isinstance(one.error, Conflict) else None,
            "moved_on": one.moved_on,
        }
        for item, one, changes in zip(items, preview.items, shown, strict=True)
    ]
    return {"items": rows, "counts": preview.counts, "clean": preview.clean}


@never_cache
@login_required
@refused
def effect(request: HttpRequest, pk: int) -> HttpResponse:
    """Which neighbours and which answers of known queries a set would change (alone for htmx)."""
    require(request.user, "propose")
    found = _found(pk)
    context: dict[str, Any] = {"set": found, "api": reverse("api:changeset-effect", args=[pk])}
    if found.state == ChangeSet.State.PUBLISHED:
        raise WrongState("This set is live already: search shows its effect.")
    try:
        context["effects"] = effects.of(found, request.user)
    except EmbedderError as error:
        context["trouble"] = str(error)
    template = "curate/effect.html#effect" if request.htmx else "curate/effect.html"  # type: ignore[attr-defined]
    return render(request, template, context)


SAID = {
    "submit": "It waits for a reviewer now.",
    "take-back": "It is a draft again.",
    "approve": "Approved.",
    "publish": "Published: all of it is live.",
    "ask-changes": "Given back to its author.",
    "reject": "Rejected. Its author can see why.",
    "comment": "Said.",
}


@login_required
@require_POST
@refused
def verb(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Submit, take back, approve, publish, ask for changes, reject or comment."""
    if name not in VERBS:
        raise Http404(f"A set cannot be asked to {name!r}.")
    found = _found(pk)
    try:
        VERBS[name](found, request.user, request.POST.get("text", ""))
        messages.success(request, SAID[name])
    except Invalid as error:
        messages.error(request, str(error))
    except Conflict as error:
        messages.error(request, f"{error} Its author has to look at that item again.")
    return redirect(found)


@login_required
@require_POST
@refused
def describe(request: HttpRequest, pk: int) -> HttpResponse:
    """Another title or rationale."""
    found = _found(pk)
    title, rationale = request.POST.get("title", ""), request.POST.get("rationale", "")
    try:
        changesets.describe(changeset=found, by=request.user, title=title, rationale=rationale)
    except Invalid as error:
        messages.error(request, str(error))
    return redirect(found)


@login_required
@require_POST
@refused
def item(request: HttpRequest, pk: int, position: int, name: str) -> HttpResponse:
    """Comment on an item, drop it, or decide its conflict (``mine`` or ``theirs``)."""
    found = _found(pk)
    row = get_object_or_404(ChangeItem, changeset=found, position=position)
    try:
        if name == "comment":
            text = request.POST.get("text", "")
            changesets.comment(changeset=found, item=row, by=request.user, text=text)
        elif name == "drop":
            changesets.drop(item=row, by=request.user)
        elif name == "keep-mine":
            changesets.rebase(item=row, fields=row.fields, by=request.user)
        else:
            raise Http404(f"An item cannot be asked to {name!r}.")
    except Invalid as error:
        messages.error(request, str(error))
    return redirect(f"{reverse('changeset', args=[pk])}#item-{position}")


@never_cache
@login_required
@refused
def revert(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo a published set, or ``?item=`` of it; conflicts are shown, and decided one by one."""
    found = _found(pk)
    position = request.POST.get("item") or request.GET.get("item")
    row = (
        get_object_or_404(ChangeItem, changeset=found, position=int(position)) if position else None
    )
    choices = {
        k.removeprefix("choice:"): v for k, v in request.POST.items() if k.startswith("choice:")
    }
    sent = request.method == "POST"
    context: dict[str, Any] = {"set": found, "item": row}
    try:
        result = undo(
            changeset=found,
            item=row,
            by=request.user,
            note=request.POST.get("note", "") or "reverted",
            choices=choices,
            dry_run=not sent,
        )
    except RevertConflict as error:
        context |= {"stuck": error.stuck, "note": request.POST.get("note", "")}
        return render(request, "curate/revert.html", context, status=409 if sent else 200)
    if sent and result.changeset:
        messages.success(request, "Undone. The undoing can be undone as well.")
        return redirect(result.changeset)
    context |= {"changes": changes_shown([result.changes])[0], "counts": result.counts}
    return render(request, "curate/revert.html", context)
