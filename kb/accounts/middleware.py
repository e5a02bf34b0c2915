"""A password that somebody else made opens one door only: the one to change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import user_logged_in
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from kb import problems

from .models import Account

FLAG = "must-change-password"
OPEN = ("/static/", "/healthz", "/readyz")


def remember(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """At sign-in, note in the session whether the password must be changed first."""
    if Account.objects.filter(user=user, must_change_password=True).exists():
        request.session[FLAG] = True


user_logged_in.connect(remember, dispatch_uid="kb.must-change-password")


class MustChangePassword:
    """Sends to the password form whoever still has a one-time password."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.session.get(FLAG) or self._open(request.path):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return problems.response(403, "Change your password first", "Sign in on the site.")
        return redirect("password_change")

    def _open(self, path: str) -> bool:
        return path in {reverse("password_change"), reverse("logout")} or path.startswith(OPEN)
