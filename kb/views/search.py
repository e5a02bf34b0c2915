"""Search: the page, the same result as a file or a feed, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from kb.exports import FORMATS, atom
from kb.filters import PaperFilter
from kb.forms import SearchForm
from kb.models import Paper
from kb.queries import answers, papers, quality
from kb.queries.facets import facets
from kb.search import EmbedderError, Mode, identifier

from . import releases

PAGE_SIZE = 20
# A feed has so many entries, the latest changed among the first hits.
FEED_ENTRIES, FEED_HITS = 50, 200


@dataclass
class Asked:
    """What an address asks for; ``text`` and ``mode`` only where it is valid."""

    form: SearchForm
    filter: PaperFilter
    valid: bool

    @property
    def text(self) -> str:
        """What is searched for; empty means to browse."""
        return str(self.form.cleaned_data["q"])

    @property
    def mode(self) -> Mode:
        """Which legs are to answer."""
        return Mode(self.form.cleaned_data["mode"] or Mode.HYBRID)

    @property
    def ordering(self) -> tuple[str, ...]:
        """The order to browse in."""
        return papers.ORDERINGS[self.form.cleaned_data["ordering"] or "newest"]


def asked(request: HttpRequest) -> Asked:
    """The search that the address describes."""
    form = SearchForm(request.GET)
    filterset = PaperFilter(request.GET, queryset=Paper.objects.all())
    return Asked(form, filterset, form.is_valid() and filterset.is_valid())


def search(request: HttpRequest) -> HttpResponse:
    """Search by meaning and words, or browse with facets; every state is a URL."""
    if page := releases.listed(request, "paper"):
        return page
    wanted = asked(request)
    context: dict[str, Any] = {"form": wanted.form, "filter": wanted.filter}
    if not wanted.valid:
        return _refused(request, context)
    if paper := _named(wanted.text, request):
        return redirect(paper)
    number = wanted.form.cleaned_data["page"] or 1
    context |= _answered(wanted, number) if wanted.text else _browse(wanted, number)
    context |= {"chips": wanted.filter.chips(), "formats": FORMATS}
    template = "kb/search.html#results" if request.htmx else "kb/search.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def export(request: HttpRequest, kind: str) -> HttpResponse:
    """The whole result as a file, in the order of the page."""
    wanted, form = asked(request), FORMATS.get(kind)
    if form is None:
        raise Http404(f"There is no export as {kind!r}. There are: {', '.join(FORMATS)}.")
    if not wanted.valid:
        return _refused(request, {"form": wanted.form, "filter": wanted.filter})
    response = HttpResponse(form.write(_all(wanted)), content_type=form.media_type)
    response["Content-Disposition"] = f'attachment; filename="safestack-papers.{kind}"'
    return response


def feed(request: HttpRequest) -> HttpResponse:
    """The result as an Atom feed: of the first hits, those that changed last."""
    wanted = asked(request)
    if not wanted.valid:
        return _refused(request, {"form": wanted.form, "filter": wanted.filter})
    if wanted.text:
        found = papers.latest([paper.pk for paper in _all(wanted)[:FEED_HITS]], FEED_ENTRIES)
    else:
        found = papers.latest_of(wanted.filter.qs, FEED_ENTRIES)
    title = f"Safestack: {wanted.text[:80] or 'papers'}"
    content = atom(found, title, request.get_full_path(), request.build_absolute_uri)
    return HttpResponse(content, content_type="application/atom+xml; charset=utf-8")


def how_good(request: HttpRequest) -> HttpResponse:
    """What search scored on the test collection, beside its peers."""
    return render(request, "kb/how_good.html", {"quality": quality.measured()})


def _refused(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    return render(request, "kb/search.html", context, status=400)


def _named(text: str, request: HttpRequest) -> Paper | None:
    """The paper whose identifier was typed; not while typing, where a redirect would jump."""
    named = identifier(text) if text else None
    if not named or request.htmx:  # type: ignore[attr-defined]
        return None
    return Paper.objects.filter(**named).first()


def _all(wanted: Asked) -> list[Paper]:
    if not wanted.text:
        return list(wanted.filter.narrow(papers.papers()).order_by(*wanted.ordering))
    try:
        return answers.matching(wanted.text, wanted.filter, wanted.mode)
    except EmbedderError:
        return answers.matching(wanted.text, wanted.filter, Mode.KEYWORD)


def _answered(wanted: Asked, page: int) -> dict[str, Any]:
    offset = PAGE_SIZE * (page - 1)
    trouble = ""
    try:
        found = answers.answer(wanted.text, wanted.filter, wanted.mode, PAGE_SIZE, offset)
    except EmbedderError as error:
        trouble = str(error)
        found = answers.answer(wanted.text, wanted.filter, Mode.KEYWORD, PAGE_SIZE, offset)
    return {
        "answer": found,
        "papers": found.papers,
        "facets": found.facets,
        "count": found.count,
        "page": Paginator(range(found.count), PAGE_SIZE).get_page(page),
        "api": reverse("api:search"),
        "trouble": trouble,
    }


def _browse(wanted: Asked, page: int) -> dict[str, Any]:
    listed = wanted.filter.narrow(papers.plain()).order_by(*wanted.ordering)
    found = Paginator(listed, PAGE_SIZE)
    shown = found.get_page(page)
    counted, rows = facets(wanted.filter), list(shown.object_list)
    papers.show_placements(rows)
    return {
        "papers": rows,
        "facets": counted,
        "count": found.count,
        "page": shown,
        "api": reverse("api:papers"),
    }
