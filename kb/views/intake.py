"""Getting papers in: a file or pasted text, the preview of every row, one confirmation."""

from __future__ import annotations

import io
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from kb.harvest.files import FORMATS
from kb.imports import operations, writing
from kb.imports.models import ImportRow, PaperImport
from kb.middleware import LARGEST_UPLOAD
from taxonomy.operations import Invalid
from taxonomy.operations.actions import require

from .refusals import refused

PAGE_SIZE = 50


class ImportForm(forms.Form):
    """A file, or text pasted instead."""

    file = forms.FileField(
        required=False,
        help_text=f"Up to {LARGEST_UPLOAD // 1_000_000} MB.",
        widget=forms.FileInput(attrs={"accept": ".bib,.bibtex,.ris,.json,.jsonl,.csv,.tsv,.txt"}),
    )
    text = forms.CharField(
        required=False,
        label="Or paste it",
        max_length=500_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="Or arXiv ids and DOIs, one a line.",
    )
    format = forms.ChoiceField(
        required=False, choices=[("", "tell it from the file"), *FORMATS.items()]
    )

    def clean(self) -> dict[str, Any]:
        """One of the two has to be there."""
        given = super().clean() or {}
        if not self.errors and not given.get("file") and not (given.get("text") or "").strip():
            raise forms.ValidationError("Choose a file, or paste text.")
        return given


@never_cache
@login_required
@refused
def imports(request: HttpRequest) -> HttpResponse:
    """The form, and one's own imports; a file leads to its preview."""
    require(request.user, "edit_live")
    sent = request.method == "POST"
    form = ImportForm(request.POST if sent else None, request.FILES if sent else None)
    if sent and form.is_valid():
        given = form.cleaned_data
        file: Any = given["file"]
        stream = file.file if file else io.BytesIO(given["text"].encode())
        name = (file.name or "file") if file else "pasted text"
        try:
            made = operations.stage(stream=stream, name=name, by=request.user, form=given["format"])
            return redirect(made)
        except Invalid as error:
            form.add_error("file" if file else "text", next(iter(error.errors.values())))
    context = {
        "form": form,
        "recent": operations.recent(request.user),
        "api": reverse("api:paper-imports"),
        "largest": LARGEST_UPLOAD,
    }
    status = 400 if form.is_bound and form.errors else 200
    return render(request, "curate/imports.html", context, status=status)


@never_cache
@login_required
@refused
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """The preview of one import, narrowed by ``?status=``; what is done with each row."""
    found = operations.found(pk, request.user)
    status = request.GET.get("status", "")
    rows = operations.rows_of(found, status if status in ImportRow.Status.values else "")
    counts = operations.counts(found)
    labels = dict(ImportRow.Status.choices)
    context = {
        "batch": found,
        "done": found.state == PaperImport.State.DONE,
        "working": found.state == PaperImport.State.EXAMINING,
        "total": sum(counts.values()),
        "left": found.rows.filter(examined=False).count(),
        "counts": [(name, labels[name], n) for name, n in counts.items() if n],
        "planned": operations.planned(found),
        "status": status,
        "page": Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page")),
        "api": reverse("api:paper-import", args=[pk]),
    }
    part = request.htmx and request.GET.get("part") == "progress"  # type: ignore[attr-defined]
    return render(request, f"curate/import.html{'#progress' if part else ''}", context)


@login_required
@require_POST
@refused
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the choices of one page of rows."""
    found = operations.found(pk, request.user)
    chosen = {
        int(name.removeprefix("row-")): str(value)
        for name, value in request.POST.items()
        if name.startswith("row-") and name[4:].isdecimal() and len(name) < 14
    }
    changed = operations.choose(batch=found, by=request.user, choices=chosen)
    messages.success(request, f"{changed} choice{'' if changed == 1 else 's'} changed.")
    query = request.POST.get("query", "")
    return redirect(f"{found.get_absolute_url()}?{query}" if query else found.get_absolute_url())


@login_required
@require_POST
@refused
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Write it, all or nothing."""
    found = operations.found(pk, request.user)
    counts = writing.confirm(
        batch=found,
        by=request.user,
        note=request.POST.get("note", "")[:2000],
        unexamined=bool(request.POST.get("unexamined")),
    )
    messages.success(request, f"{writing.said(counts).capitalize()}. It can be undone as a whole.")
    return redirect(found)


@login_required
@require_POST
@refused
def drop(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget a preview."""
    operations.drop(batch=operations.found(pk, request.user), by=request.user)
    messages.info(request, "The preview is gone. Nothing was written.")
    return redirect("paper-imports")
