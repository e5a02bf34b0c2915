"""The history of one row with restore, and the log of everything with its feed."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.syndication.views import Feed
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.views.decorators.http import require_POST

from kb.curation.diffs import text, words
from kb.curation.requests import current
from taxonomy import history
from taxonomy.kinds import KINDS
from taxonomy.operations import Action, Missing

from .edits import finish, where
from .refusals import refused

PAGE_SIZE = 50
FILTERS = ("since", "until", "what", "by", "changeset")


@refused
def one(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Who changed a row, when, why, from what to what."""
    spec, row, _ = current(kind, key)
    entries = history.of(spec, row.pk)
    for entry in entries:
        entry.lines = [  # type: ignore[attr-defined]
            (name.replace("_", " "), words(text(old), text(new))) for name, old, new in entry.fields
        ]
    context = {
        "kind": spec,
        "row": row,
        "key": key,
        "entries": entries,
        "back": where(row),
        "version": getattr(row, "version", None),
        "api": reverse("api:history", args=[kind, key]),
    }
    return render(request, "curate/history.html", context)


@login_required
@require_POST
@refused
def restore(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Bring a recorded state back, as a new edit."""
    spec, row, _ = current(kind, key)
    event, version = request.POST.get("event", ""), request.POST.get("version", "")
    if not (event.isdecimal() and version.isdecimal()):
        raise Missing("That state is not on record.")
    fields = history.restorable(spec, row.pk, int(event))
    if fields is None:
        raise Missing("That state is not on record.")
    action = Action("edit", kind, key, fields, int(version))
    given = {"note": f"restored the state of record {event}", "changeset": ""}
    if not request.user.has_perm("taxonomy.edit_live"):
        given["changeset"] = "new"
    return finish(request, action, given, row)


def _asked(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET.get(name, "").strip() for name in FILTERS}


def log(request: HttpRequest) -> HttpResponse:
    """Every change, newest first, narrowed by time, kind, person or change set."""
    asked = _asked(request)
    try:
        found, trouble = history.log(**asked), ""
    except ValueError as error:
        found, trouble = history.log().none(), str(error)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = list(page.object_list)
    explain(rows)
    rows = once(rows)
    context = {
        "page": page,
        "rows": rows,
        "asked": asked,
        "kinds": list(history.WHAT),
        "trouble": trouble,
        "query": request.GET.urlencode(),
        "api": reverse("api:changes"),
    }
    return render(request, "curate/log.html", context, status=400 if trouble else 200)


SHORT = {model: name for name, model in history.WHAT.items()}
# How pairs are shown: as a change of the row whose list they make up.
PAIRS: dict[str, tuple[Any, str, str]] = {
    pair[0]._meta.label: (model, pair[1], pair[2]) for model, pair in history.MANY.items()
}


def explain(rows: list[Any]) -> None:
    """Give log rows what pages show: ``who``, ``kind``, ``name``, ``fields``, ``key``."""
    people, owners = history.names(rows), _owners(rows)
    for row in rows:
        row.who = people.get(str(row.by), "")
        if row.what in PAIRS:
            _explain_pair(row, owners)
        else:
            _explain(row)


def once(rows: list[Any]) -> list[Any]:
    """Rows, where the pairs of one list that were written together stand as one."""
    found: list[Any] = []
    for row in rows:
        mark = (row.what, row.name, row.at, row.changeset)
        last = found[-1] if found else None
        if row.what in PAIRS and last and (last.what, last.name, last.at, last.changeset) == mark:
            continue
        found.append(row)
    return found


def _explain(row: Any) -> None:
    row.kind = SHORT.get(row.what, row.what)
    data = row.pgh_data or {}
    row.name = data.get("name") or data.get("title") or f"{row.kind} {row.object}"
    row.fields = sorted(set(row.pgh_diff or {}) - {"version", "placed_at"})
    spec = KINDS.get(row.kind)
    row.key = str(data.get(spec.key, row.object)) if spec and spec.key != "pk" else str(row.object)
    row.linked = row.label != "delete" and spec is not None


def _owners(rows: list[Any]) -> dict[tuple[str, int], Any]:
    """The rows that pairs belong to; one query for each kind that occurs."""
    wanted: dict[str, set[int]] = {}
    for row in rows:
        if row.what in PAIRS:
            wanted.setdefault(row.what, set()).add(row.pgh_data[f"{PAIRS[row.what][2]}_id"])
    return {
        (what, pk): owner
        for what, ids in wanted.items()
        for pk, owner in PAIRS[what][0]._default_manager.in_bulk(ids).items()
    }


def _explain_pair(row: Any, owners: dict[tuple[str, int], Any]) -> None:
    model, field, own = PAIRS[row.what]
    pk = row.pgh_data[f"{own}_id"]
    owner = owners.get((row.what, pk))
    row.kind = SHORT[model._meta.label]
    row.name, row.fields = str(owner or f"{row.kind} {pk}"), [field]
    row.key, row.linked = getattr(owner, "slug", ""), owner is not None
    row.label = "update"


class LogFeed(Feed):  # type: ignore[type-arg]
    """The log as Atom, with the same filters."""

    feed_type = Atom1Feed
    title = "Safestack: changes"
    subtitle = "What curators changed, newest first."

    def link(self, obj: Any) -> str:
        return reverse("changes")

    def get_object(self, request: HttpRequest) -> dict[str, str]:
        return _asked(request)

    def items(self, obj: dict[str, str]) -> list[Any]:
        try:
            rows = list(history.log(**obj)[:PAGE_SIZE])
        except ValueError as error:
            raise Http404(str(error)) from None
        explain(rows)
        return once(rows)

    def item_title(self, item: Any) -> str:
        return f"{item.label} {item.kind}: {item.name}"

    def item_description(self, item: Any) -> str:
        fields = f" ({', '.join(item.fields)})" if item.fields else ""
        return f"{item.reason}{fields}"

    def item_link(self, item: Any) -> str:
        if not item.linked:
            return reverse("changes")
        return reverse("history", args=[item.kind, item.key])

    def item_guid(self, item: Any) -> str:
        return f"{item.kind}-{item.pgh_id}"

    def item_author_name(self, item: Any) -> str:
        return item.who or "Safestack"

    def item_updateddate(self, item: Any) -> Any:
        return item.at
