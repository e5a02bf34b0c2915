"""What a finished run's page says around its figures, and the files it offers."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from . import downloads, judging, queries, samples
from .models import Run

LOG_TYPE = "application/octet-stream"


def about(run: Run) -> dict[str, Any]:
    """Judges, the notes beside them, and the Inspect logs, kept or not."""
    result = run.result or {}
    kept = dict(run.logs.values_list("name", "size"))
    made = result["provenance"].get("inspect_logs", [])
    return {
        "judges": judging.panel(result, samples.cases(result)),
        "notes": [note for note in result["notes"] if not judging.about_judges(note)],
        "logs": [{**row, "kept": row["file"] in kept} for row in made],
        "spec_text": json.dumps(run.spec, indent=1, ensure_ascii=False, sort_keys=True),
    }


def permanent(request: HttpRequest, digest: str) -> str:
    """The whole permanent address of a record."""
    return request.build_absolute_uri(reverse("record", args=[digest]))


def record(request: HttpRequest, digest: str) -> HttpResponse:
    """The permanent address of a record: whoever has its digest finds it."""
    found = queries.by_digest(digest)
    if found is None:
        raise Http404("No record has this digest.")
    return redirect(found)


def download(request: HttpRequest, pk: uuid.UUID, form: str) -> HttpResponse:
    """A finished run as JSON, CSV or a block for a model card."""
    found = queries.run(pk)
    if found is None or not found.result or form not in downloads.FORMATS:
        raise Http404("There is no such file of a finished run.")
    kind, ending = downloads.FORMATS[form]
    made = {
        "json": lambda: downloads.as_json(found),
        "csv": lambda: downloads.as_csv(found),
        "card": lambda: downloads.as_card(found, permanent(request, found.result_digest)),
    }
    return _file(made[form](), kind, f"{found.mitigation}-{found.result_digest[:12]}.{ending}")


def log(request: HttpRequest, pk: uuid.UUID, name: str) -> HttpResponse:
    """An Inspect log of a run, as the engine left it."""
    found = queries.log(pk, name)
    if found is None:
        raise Http404("No log of this name was kept for this run.")
    return _file(bytes(found.content), LOG_TYPE, found.name)


def _file(content: str | bytes, kind: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=kind, headers=headers)
