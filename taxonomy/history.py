"""The log of every change, read from what the database triggers recorded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils.timezone import is_naive, make_aware
from pghistory.models import Events

WHAT = {
    "category": "taxonomy.Category",
    "risk": "taxonomy.Risk",
    "mitigation": "taxonomy.Mitigation",
    "answer": "taxonomy.RiskMitigation",
    "mapping": "taxonomy.Mapping",
    "paper": "kb.Paper",
    "placement": "kb.Placement",
}


def log(since: str = "", what: str = "") -> QuerySet[Any]:
    """Recorded changes, newest first, with ``at``, ``what``, ``object``, ``label``, ``by``.

    ``since`` is an ISO date or time; ``what`` one of WHAT. Raises ValueError at others.
    """
    found = Events.objects.all()
    if since:
        found = found.filter(pgh_created_at__gte=_time(since))
    if what:
        if what not in WHAT:
            raise ValueError(f"No changes of {what[:80]!r}. One of: {', '.join(WHAT)}.")
        found = found.filter(pgh_obj_model=WHAT[what])
    return found.annotate(
        at=F("pgh_created_at"),
        what=F("pgh_obj_model"),
        object=F("pgh_obj_id"),
        label=F("pgh_label"),
        by=KeyTextTransform("user", "pgh_context"),
        reason=Coalesce(
            KeyTextTransform("reason", "pgh_context"), Value(""), output_field=TextField()
        ),
    ).order_by("-pgh_created_at", "-pgh_id")


def _time(text: str) -> datetime:
    """A time with its zone, UTC where none is said; raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"since is no ISO 8601 date or time: {text[:80]!r}.") from None
    return make_aware(found) if is_naive(found) else found
