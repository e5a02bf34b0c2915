"""Releases: the taxonomy frozen under a number, with a digest and a manifest."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max

from taxonomy.models import Category, Mapping, Mitigation, Release, Risk, RiskMitigation, Stage


@transaction.atomic
def publish_release(*, by: User | None, note: str) -> Release | None:
    """Freeze the taxonomy as the next numbered release; None where nothing changed.

    The digest is the sha256 of the snapshot as canonical JSON (sorted keys, no spaces).
    """
    with connection.cursor() as cursor:  # two releases at once would take one number
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('taxonomy_release'))")
    content = snapshot()
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    mark = hashlib.sha256(canonical.encode()).hexdigest()
    latest = Release.objects.first()
    if latest and latest.digest == mark:
        return None
    number = (Release.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    return Release.objects.create(
        number=number, note=note, snapshot=content, digest=mark, created_by=by
    )


def snapshot() -> dict[str, Any]:
    """The whole taxonomy as plain rows, each kind in a fixed order."""
    stages = ("slug", "name", "position", "summary")
    categories = ("slug", "name", "number", "parent__slug", "stage__slug", "origin", "summary")
    risks = ("slug", "name", "definition", "category__slug", "aliases", "status")
    mitigations = ("slug", "name", "definition", "cost", "status")
    answers = ("risk__slug", "mitigation__slug", "claim", "claim_source", "grade")
    mappings = ("risk__slug", "entry__framework__slug", "entry__ident", "relation")
    return {
        "stages": list(Stage.objects.order_by("slug").values(*stages)),
        "categories": list(Category.objects.order_by("slug").values(*categories)),
        "risks": _with_stages(Risk, risks),
        "mitigations": _with_stages(Mitigation, mitigations),
        "answers": list(RiskMitigation.objects.order_by(*answers[:2]).values(*answers)),
        "mappings": list(Mapping.objects.order_by(*mappings).values(*mappings)),
    }


def _with_stages(model: type[Risk] | type[Mitigation], fields: tuple[str, ...]) -> list[Any]:
    found = model.objects.order_by("slug").prefetch_related("stages")
    stages = {row.slug: sorted(stage.slug for stage in row.stages.all()) for row in found}
    return [{**row, "stages": stages[row["slug"]]} for row in found.values(*fields)]
