"""Papers: search and browse, one paper."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from kb.filters import PaperFilter
from kb.forms import SearchForm
from kb.models import Paper
from kb.queries import answers, papers
from kb.search import EmbedderError, Mode, identifier

PAGE_SIZE = 20


def search(request: HttpRequest) -> HttpResponse:
    """Search by meaning and words, or browse with facets; every state is a URL."""
    form = SearchForm(request.GET)
    filterset = PaperFilter(request.GET, queryset=Paper.objects.all())
    if not (form.is_valid() and filterset.is_valid()):
        return render(request, "kb/search.html", {"form": form, "filter": filterset}, status=400)
    if paper := _named(form.cleaned_data["q"], request):
        return redirect(paper)
    context = {"form": form, "filter": filterset, **_found(form, filterset)}
    template = "kb/search.html#results" if request.htmx else "kb/search.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _named(text: str, request: HttpRequest) -> Paper | None:
    """The paper whose identifier was typed; not while typing, where a redirect would jump."""
    named = identifier(text) if text else None
    if not named or request.htmx:  # type: ignore[attr-defined]
        return None
    return Paper.objects.filter(**named).first()


def _found(form: SearchForm, filterset: PaperFilter) -> dict[str, Any]:
    text, page = form.cleaned_data["q"], form.cleaned_data["page"] or 1
    mode = Mode(form.cleaned_data["mode"] or Mode.HYBRID)
    if not text:
        return _browse(form, filterset, page)
    try:
        found = answers.answer(text, filterset, mode, PAGE_SIZE, PAGE_SIZE * (page - 1))
    except EmbedderError as error:
        found = answers.answer(text, filterset, Mode.KEYWORD, PAGE_SIZE, PAGE_SIZE * (page - 1))
        return {**_answer(found, page), "trouble": str(error)}
    return _answer(found, page)


def _answer(found: answers.Answer, page: int) -> dict[str, Any]:
    paginator = Paginator(range(found.count), PAGE_SIZE)
    return {
        "answer": found,
        "papers": found.papers,
        "facets": found.facets,
        "count": found.count,
        "page": paginator.get_page(page),
        "api": reverse("api:search"),
    }


def _browse(form: SearchForm, filterset: PaperFilter, page: int) -> dict[str, Any]:
    ordering = papers.ORDERINGS[form.cleaned_data["ordering"] or "newest"]
    found = Paginator(filterset.narrow(papers.papers()).order_by(*ordering), PAGE_SIZE)
    shown = found.get_page(page)
    return {
        "papers": shown.object_list,
        "facets": papers.facets(filterset, Paper.objects.all()),
        "count": found.count,
        "page": shown,
        "api": reverse("api:papers"),
    }


def paper(request: HttpRequest, key: str) -> HttpResponse:
    """One paper: facts, summary, where it belongs and why, what is near to it."""
    found = papers.paper(key)
    if found is None:
        if moved := papers.moved_to(key):
            return redirect(moved, permanent=True)
        raise Http404(f"No paper has the key {key!r}. Keys look like arxiv:2307.15043.")
    context = {
        "paper": found,
        "similar": papers.similar(found),
        "api": reverse("api:paper", args=[found.key]),
    }
    return render(request, "kb/paper.html", context)
