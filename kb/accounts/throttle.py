"""Guessing passwords is slowed down: a few failures, then a wait.

Counted in PostgreSQL, so all processes count together. An attempt is written before the
password is looked at and removed on success, so many guesses at once do not slip through.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from .models import SignInAttempt

WINDOW = timedelta(minutes=15)
# Failures within the window: by one address for one name, by one address, for one name.
PAIR, ADDRESS, NAME = 5, 30, 60


def address(request: HttpRequest | None) -> str | None:
    """Where a request comes from; None where that is no internet address (a test, a socket)."""
    try:
        return str(ipaddress.ip_address(request.META["REMOTE_ADDR"])) if request else None
    except (KeyError, ValueError):
        return None


def wait_minutes(request: HttpRequest | None, username: str) -> int:
    """Minutes until another attempt is looked at; 0 is now."""
    since = timezone.now() - WINDOW
    recent = SignInAttempt.objects.filter(at__gte=since)
    here, named = recent.filter(address=address(request)), recent.filter(username=username[:150])
    limits = ((here.filter(username=username[:150]), PAIR), (here, ADDRESS), (named, NAME))
    waits = [_until(found, most) for found, most in limits if found.count() > most]
    return max(waits, default=0)


def _until(found: Any, most: int) -> int:
    """Minutes until one more than ``most`` has left the window."""
    last = list(found.order_by("-at").values_list("at", flat=True)[most : most + 1])
    left = last[0] + WINDOW - timezone.now() if last else timedelta()
    return max(1, int(left.total_seconds() // 60) + 1)


class ThrottledBackend(ModelBackend):
    """Django's sign-in, which looks at no password while somebody has to wait."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user; None at a wrong password; PermissionDenied while waiting."""
        SignInAttempt.objects.filter(at__lt=timezone.now() - WINDOW).delete()
        attempt = SignInAttempt.objects.create(
            username=(username or "")[:150], address=address(request)
        )
        if wait_minutes(request, username or ""):
            raise PermissionDenied("Too many attempts.")
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None:
            mine = SignInAttempt.objects.filter(username=attempt.username, address=attempt.address)
            mine.delete()
        return user
