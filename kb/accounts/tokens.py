"""Tokens for programs: made and revoked by their owner, stored as a hash alone.

A token is 256 random bits, so a plain sha256 keeps it; there is nothing to guess slowly.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from .models import ApiToken

PREFIX = "sst_"
MOST = 20
SEEN_EVERY = timedelta(minutes=5)


class TooManyTokens(Exception):
    """The owner has as many as anybody may have; the message says what to do."""


def make(*, by: User, name: str, days: int | None = None) -> tuple[ApiToken, str]:
    """A new token and its text, which is shown this once. Raises TooManyTokens."""
    if by.tokens.count() >= MOST:
        raise TooManyTokens(f"You have {MOST} tokens. Revoke one that is not used.")
    text = PREFIX + secrets.token_urlsafe(32)
    expires = timezone.now() + timedelta(days=days) if days else None
    row = ApiToken.objects.create(
        user=by, name=name, start=text[:12], digest=_digest(text), expires_at=expires
    )
    return row, text


def revoke(*, pk: int, by: User) -> bool:
    """Remove one of the owner's own tokens; whether there was one."""
    return bool(ApiToken.objects.filter(pk=pk, user=by).delete()[0])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer sst_…`` (or ``Token sst_…``)."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The owner and the token; None without such a header; refuses unknown ones."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() not in (b"bearer", b"token"):
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("Write the header as: Authorization: Bearer sst_…")
        return self._owner(parts[1].decode("ascii", "replace"))

    def _owner(self, text: str) -> tuple[User, ApiToken]:
        found = ApiToken.objects.select_related("user").filter(digest=_digest(text)).first()
        if found is None or found.expired or not found.user.is_active:
            raise AuthenticationFailed("This token is unknown, revoked or expired.")
        now = timezone.now()
        if not found.last_used_at or now - found.last_used_at > SEEN_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="api"'


def schema_extension() -> Any:
    """Tell the API's description how tokens are sent."""
    from drf_spectacular.extensions import OpenApiAuthenticationExtension

    class TokenScheme(OpenApiAuthenticationExtension):
        target_class = "kb.accounts.tokens.TokenAuthentication"
        name = "token"

        def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
            return {"type": "http", "scheme": "bearer"}

    return TokenScheme
