"""People with roles, for tests."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from kb.accounts import roles


def person(name: str, role: str = "curator") -> User:
    """Somebody with a role; the password is the name with ``-password``."""
    user = get_user_model().objects.create_user(name, f"{name}@example.org", f"{name}-password")
    roles.give(user=user, role=role)
    return get_user_model().objects.get(pk=user.pk)
