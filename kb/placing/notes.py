"""Suggestions of visitors: taken without an account, followed by a secret link, answered."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from kb.models import VisitorNote
from taxonomy.operations import Conflict, Invalid, Missing
from taxonomy.operations.actions import require

WINDOW = timedelta(hours=1)
# Within the window: from one address, and from all together.
ONE, ALL = 5, 100
SHORTEST, ABOUT, TEXT = 10, 300, 4000
LOCK = "SELECT pg_advisory_xact_lock(hashtext('placing.notes'))"
State = VisitorNote.State


class TooMany(Exception):
    """Somebody, or everybody together, has sent enough for now; says how long to wait."""

    def __init__(self, minutes: int) -> None:
        super().__init__(f"That is enough for now. Try again in {minutes} minutes.")
        self.minutes = minutes


def send(*, topic: str, about: str, text: str, address: str | None) -> tuple[VisitorNote, str]:
    """Keep a suggestion; returns it and the secret of its link, which is stored nowhere.

    Raises Invalid, TooMany.
    """
    about, text = about.strip(), text.strip()
    _check(topic, about, text)
    sender = salted_hmac("kb.placing.notes", address or "").hexdigest()
    secret = secrets.token_urlsafe(24)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)  # so that many at once are counted one by one
        _refuse_too_many(sender)
        made = VisitorNote.objects.create(
            topic=topic, about=about, text=text, digest=_digest(secret), sender=sender
        )
    return made, secret


def _check(topic: str, about: str, text: str) -> None:
    errors = {}
    if topic not in VisitorNote.Topic.values:
        errors["topic"] = f"One of: {', '.join(VisitorNote.Topic.values)}."
    if not about or len(about) > ABOUT:
        errors["about"] = f"Say what it is about, in up to {ABOUT} characters."
    if not SHORTEST <= len(text) <= TEXT:
        errors["text"] = f"Write {SHORTEST} to {TEXT:,} characters."
    if "\0" in about + text:
        errors["text"] = "Take the NUL character out."
    if errors:
        raise Invalid(errors)


def _refuse_too_many(sender: str) -> None:
    recent = VisitorNote.objects.filter(at__gte=timezone.now() - WINDOW).order_by("-at")
    for found, most in ((recent.filter(sender=sender), ONE), (recent, ALL)):
        times = list(found.values_list("at", flat=True)[:most])
        if len(times) == most:
            left = times[-1] + WINDOW - timezone.now()
            raise TooMany(max(1, int(left.total_seconds() // 60) + 1))


def followed(secret: str) -> VisitorNote | None:
    """The suggestion whose secret link this is."""
    return VisitorNote.objects.filter(digest=_digest(secret)).first()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def listed(*, by: Any, state: str = "") -> QuerySet[VisitorNote]:
    """What visitors have sent, newest first. Raises NotAllowed."""
    require(by, "edit_live")
    found = VisitorNote.objects.select_related("answered_by")
    return found.filter(state=state) if state in State.values else found


@transaction.atomic
def answer(*, pk: int, by: Any, state: str, text: str, version: int) -> VisitorNote:
    """Say what becomes of a suggestion. Raises NotAllowed, Missing, Invalid, Conflict."""
    require(by, "edit_live")
    found = VisitorNote.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise Missing(f"There is no suggestion {pk}.")
    if found.version != version:
        raise Conflict("suggestion", str(pk), str(found), version, found.version, [])
    if state not in State.values or len(text) > TEXT or "\0" in text:
        raise Invalid({"state": f"One of {', '.join(State.values)}; a text to {TEXT:,} letters."})
    found.state, found.answer, found.answered_by = state, text.strip(), by
    found.answered_at = timezone.now()
    found.version += 1
    found.save()
    return found
