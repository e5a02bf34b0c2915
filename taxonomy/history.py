"""What happened to whom, read from what the database triggers recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils.timezone import is_naive, make_aware
from pghistory.models import Events

from .kinds import Kind
from .models import Direction, Mitigation, Risk
from .models.lifecycle import DirectionRisk, RiskStage
from .models.mitigations import MitigationStage

WHAT = {
    "category": "taxonomy.Category",
    "risk": "taxonomy.Risk",
    "mitigation": "taxonomy.Mitigation",
    "direction": "taxonomy.Direction",
    "answer": "taxonomy.RiskMitigation",
    "mapping": "taxonomy.Mapping",
    "paper": "kb.Paper",
    "placement": "kb.Placement",
}
# Relations to many, by whose table of pairs their record is kept: field, and both columns.
MANY: dict[Any, tuple[Any, str, str, str]] = {
    Risk: (RiskStage, "stages", "risk", "stage"),
    Mitigation: (MitigationStage, "stages", "mitigation", "stage"),
    Direction: (DirectionRisk, "risks", "direction", "risk"),
}
MOST = 500


def log(
    since: str = "", what: str = "", until: str = "", by: str = "", changeset: str = ""
) -> QuerySet[Any]:
    """Recorded changes, newest first, with ``at``, ``what``, ``object``, ``label``, ``by``.

    ``since`` and ``until`` are ISO dates or times; ``what`` one of WHAT; ``by`` a user's
    name; ``changeset`` a number. Raises ValueError at others.
    """
    found = Events.objects.all()
    if since:
        found = found.filter(pgh_created_at__gte=_time("since", since))
    if until:
        found = found.filter(pgh_created_at__lt=_time("until", until))
    if what:
        if what not in WHAT:
            raise ValueError(f"No changes of {what[:80]!r}. One of: {', '.join(WHAT)}.")
        found = found.filter(pgh_obj_model__in=[WHAT[what], *pairs_of(what)])
    if by:
        found = found.filter(pgh_context__contains={"user": _user(by)})
    if changeset:
        found = found.filter(pgh_context__contains={"changeset": _number(changeset)})
    return found.annotate(
        at=F("pgh_created_at"),
        what=F("pgh_obj_model"),
        object=F("pgh_obj_id"),
        label=F("pgh_label"),
        by=KeyTextTransform("user", "pgh_context"),
        changeset=KeyTextTransform("changeset", "pgh_context"),
        reason=Coalesce(
            KeyTextTransform("reason", "pgh_context"), Value(""), output_field=TextField()
        ),
    ).order_by("-pgh_created_at", "-pgh_id")


def pairs_of(what: str) -> tuple[str, ...]:
    """The table of pairs in which a relation of that kind to many is recorded, if it has one."""
    labels = {model._meta.label: pair[0]._meta.label for model, pair in MANY.items()}
    return (labels[WHAT[what]],) if WHAT[what] in labels else ()


def _user(name: str) -> int:
    found = get_user_model().objects.filter(username=name).values_list("pk", flat=True).first()
    if found is None:
        raise ValueError(f"Nobody here is called {name[:80]!r}.")
    return int(found)


def _number(text: str) -> int:
    if not (text.isdecimal() and len(text) < 19):
        raise ValueError(f"changeset is no number: {text[:80]!r}.")
    return int(text)


def _time(name: str, text: str) -> datetime:
    """A time with its zone, UTC where none is said; raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} is no ISO 8601 date or time: {text[:80]!r}.") from None
    return make_aware(found) if is_naive(found) else found


def names(rows: Any) -> dict[str, str]:
    """{user's number as text: name} for the actors of some log rows; one query."""
    ids = {row.by for row in rows if row.by and str(row.by).isdecimal()}
    users = get_user_model().objects.filter(pk__in=ids)
    return {str(pk): name for pk, name in users.values_list("pk", "username")}


@dataclass
class Entry:
    """One recorded state of a row: who, when, why, and what differs from the one before."""

    id: int
    at: datetime
    label: str
    by: str
    reason: str
    changeset: int | None
    version: int | None
    values: dict[str, Any]
    fields: list[tuple[str, Any, Any]] = field(default_factory=list)


def of(kind: Kind, pk: int) -> list[Entry]:
    """The history of a row, newest first; rows that are gone have one too.

    Ordered by the recording itself: the clock says when a transaction began, which may be
    before one that was faster.
    """
    events = getattr(kind.model, "events", None)
    if events is None:
        return []
    model = events.rel.related_model
    relations = [n for n in _columns(kind, model) if model._meta.get_field(n).is_relation]
    found = model.objects.filter(pgh_obj_id=pk).order_by("-pgh_id")
    rows = list(reversed(found.select_related("pgh_context", *relations)[:MOST]))
    entries: list[Entry] = []
    before: dict[str, Any] = {}
    users, lists = _users(rows), _lists(kind, pk, rows)
    for row, many in zip(rows, lists, strict=True):
        entry = _entry(kind, model, row, users)
        entry.values |= many
        entry.fields = [
            (name, before.get(name), value)
            for name, value in entry.values.items()
            if before and before.get(name) != value
        ]
        before = entry.values
        entries.append(entry)
    return entries[::-1]


def _columns(kind: Kind, model: Any) -> list[str]:
    known = {f.name for f in model._meta.get_fields()}
    return [name for name in kind.fields if name in known]


def _users(rows: list[Any]) -> dict[int, str]:
    ids = {row.pgh_context.metadata.get("user") for row in rows if row.pgh_context}
    users = get_user_model().objects.filter(pk__in=ids - {None})
    return dict(users.values_list("pk", "username"))


def _entry(kind: Kind, model: Any, row: Any, users: dict[int, str]) -> Entry:
    from .operations.values import encode

    marks = row.pgh_context.metadata if row.pgh_context else {}
    return Entry(
        id=row.pgh_id,
        at=row.pgh_created_at,
        label=row.pgh_label,
        by=users.get(marks.get("user") or 0, ""),
        reason=marks.get("reason", ""),
        changeset=marks.get("changeset"),
        version=getattr(row, "version", None),
        values={name: encode(row, name) for name in _columns(kind, model)},
    )


def _lists(kind: Kind, pk: int, rows: list[Any]) -> list[dict[str, list[str]]]:
    """For each recorded state the names in the relation to many, replayed from its own record.

    What was written together has one context; without one, the clock decides.
    """
    if kind.model not in MANY:
        return [{} for _ in rows]
    through, field_name, own, other = MANY[kind.model]
    pairs = list(_pairs(through).objects.filter(**{f"{own}_id": pk}).select_related(other))
    pairs.sort(key=lambda event: event.pgh_id)
    contexts = {row.pgh_context_id for row in rows} - {None}
    seen: set[Any] = set()
    found = []
    for row in rows:
        seen.add(row.pgh_context_id)
        names: set[str] = set()
        for event in pairs:
            known = event.pgh_context_id in contexts
            timely = event.pgh_created_at <= row.pgh_created_at
            if event.pgh_context_id in seen if known else timely:
                change = names.discard if event.pgh_label == "delete" else names.add
                change(getattr(event, other).slug)
        found.append({field_name: sorted(names)})
    return found


def _pairs(through: type) -> Any:
    """The events of a table of pairs."""
    from django.apps import apps

    models = apps.get_app_config("taxonomy").get_models()
    return next(m for m in models if getattr(m, "pgh_tracked_model", None) is through)


def restorable(kind: Kind, pk: int, event: int) -> dict[str, Any] | None:
    """What a form would have to set to bring back a recorded state; None if unknown."""
    entry = next((one for one in of(kind, pk) if one.id == event), None)
    if entry is None:
        return None
    return {name: value for name, value in entry.values.items() if name in kind.editable}
