"""Releases: everything frozen under a number, with its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F, Max, QuerySet

from taxonomy.models import (
    Category,
    Direction,
    Mapping,
    Mitigation,
    Release,
    Risk,
    RiskMitigation,
    Stage,
)

from .actions import require
from .errors import Invalid

Rows = list[dict[str, Any]]
# What a snapshot holds, part by part; the reading room adds its own.
PARTS: dict[str, Callable[[], Rows]] = {}


def freeze(*, by: Any, note: str) -> Release:
    """Make a release on somebody's word; raises NotAllowed, Invalid where nothing changed."""
    require(by, "release")
    if not note.strip():
        raise Invalid({"note": "Say what is new in this release."})
    made = publish_release(by=by, note=note.strip())
    if made is None:
        raise Invalid({"note": "Nothing has changed since the latest release."})
    return made


@transaction.atomic
def publish_release(*, by: User | None, note: str) -> Release | None:
    """Freeze the taxonomy as the next numbered release; None where nothing changed.

    The digest is the sha256 of the snapshot as canonical JSON (sorted keys, no spaces).
    """
    with connection.cursor() as cursor:  # nothing is edited while it is read
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('taxonomy.curation'))")
    content = snapshot()
    mark = hashlib.sha256(canonical(content)).hexdigest()
    latest = Release.objects.first()
    if latest and latest.digest == mark:
        return None
    number = (Release.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    return Release.objects.create(
        number=number, note=note, snapshot=content, digest=mark, created_by=by
    )


def canonical(content: Any) -> bytes:
    """JSON in the one form that is hashed."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def snapshot() -> dict[str, Rows]:
    """Everything as plain rows, each part in a fixed order."""
    return {name: rows() for name, rows in PARTS.items()}


def plain(found: QuerySet[Any], *fields: str, **named: str) -> Rows:
    """Rows of some fields; ``named`` gives fields of other tables a short name."""
    other = {name: F(path) for name, path in named.items()}
    clashing = {f"_{name}": value for name, value in other.items()}
    rows = found.values(*fields, **clashing)
    return [{k.removeprefix("_"): v for k, v in row.items()} for row in rows]


def _with_many(model: Any, many: str, rows: Rows) -> Rows:
    names: dict[str, list[str]] = {row["slug"]: [] for row in rows}
    for slug, other in model.objects.order_by().values_list("slug", f"{many}__slug"):
        if other:
            names[slug].append(other)
    return [{**row, many: sorted(names[row["slug"]])} for row in rows]


def _categories() -> Rows:
    fields = ("slug", "name", "number", "origin", "summary", "position", "status")
    found = Category.objects.order_by("slug")
    return plain(found, *fields, parent="parent__slug", stage="stage__slug")


def _risks() -> Rows:
    fields = ("slug", "name", "definition", "aliases", "attacker_needs", "harm", "status")
    found = Risk.objects.order_by("slug")
    rows = plain(found, *fields, category="category__slug", merged_into="merged_into__slug")
    return _with_many(Risk, "stages", rows)


def _mitigations() -> Rows:
    found = Mitigation.objects.order_by("slug")
    rows = plain(found, "slug", "name", "definition", "cost", "status")
    return _with_many(Mitigation, "stages", rows)


def _answers() -> Rows:
    fields = ("claim", "claim_value", "claim_unit", "claim_source", "grade")
    found = RiskMitigation.objects.order_by("risk__slug", "mitigation__slug")
    return plain(found, *fields, risk="risk__slug", mitigation="mitigation__slug")


def _mappings() -> Rows:
    place = ("risk__slug", "entry__framework__slug", "entry__ident")
    names = dict(zip(("risk", "framework", "entry"), place, strict=True))
    found = Mapping.objects.order_by(*place)
    return plain(found, "relation", "note", "framework_version", **names)


def _directions() -> Rows:
    fields = ("slug", "name", "summary", "open_questions", "position", "status")
    rows = plain(Direction.objects.order_by("slug"), *fields, category="category__slug")
    return _with_many(Direction, "risks", rows)


def _stages() -> Rows:
    return plain(Stage.objects.order_by("slug"), "slug", "name", "position", "summary")


PARTS |= {
    "stages": _stages,
    "categories": _categories,
    "risks": _risks,
    "mitigations": _mitigations,
    "answers": _answers,
    "mappings": _mappings,
    "directions": _directions,
}
