"""The five roles, as groups with permissions: each can what the one before it can."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction

READER, CONTRIBUTOR, CURATOR = "reader", "contributor", "curator"
REVIEWER, ADMINISTRATOR = "reviewer", "administrator"
# In rising order; what each adds to the one before it.
ADDS: dict[str, tuple[str, ...]] = {
    READER: (),
    CONTRIBUTOR: ("propose",),
    CURATOR: ("edit_live",),
    REVIEWER: ("review", "release"),
    ADMINISTRATOR: (),
}
ROOMS = ("taxonomy", "kb")


def sync_roles(sender: Any, **kwargs: Any) -> None:
    """Make the groups and set their permissions; called after each migration, any times."""
    from django.apps import apps

    for config in apps.get_app_configs():  # administrators get all of them
        create_permissions(config, verbosity=0)
    granted: set[int] = set()
    for role, added in ADDS.items():
        granted |= set(_added(role, added))
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set(granted)


def _added(role: str, codenames: tuple[str, ...]) -> list[int]:
    """The permissions a role adds; curators get the admin's forms, administrators everything."""
    own = Permission.objects.filter(content_type__app_label="taxonomy", codename__in=codenames)
    found = list(own.values_list("pk", flat=True))
    if role == CURATOR:
        forms = Permission.objects.filter(content_type__app_label__in=ROOMS)
        forms = forms.filter(codename__regex="^(add|change|view)_")
        private = forms.exclude(content_type__model__in=("account", "apitoken", "signinattempt"))
        found += list(private.values_list("pk", flat=True))
    if role == ADMINISTRATOR:
        found += list(Permission.objects.values_list("pk", flat=True))
    return found


@transaction.atomic
def give(*, user: User, role: str) -> None:
    """Make ``role`` the one role of a user; raises KeyError where there is no such role."""
    user.groups.remove(*Group.objects.filter(name__in=ADDS))
    user.groups.add(Group.objects.get(name=role) if role in ADDS else _unknown(role))
    user.is_staff = role in {CURATOR, REVIEWER, ADMINISTRATOR}
    user.save(update_fields=["is_staff"])


def _unknown(role: str) -> Group:
    raise KeyError(f"No role {role!r}. One of: {', '.join(ADDS)}.")


def of(user: Any) -> str:
    """The highest role a user has; administrators of Django's own making count as such."""
    if not getattr(user, "is_authenticated", False):
        return ""
    if user.is_superuser:
        return ADMINISTRATOR
    held = set(user.groups.values_list("name", flat=True))
    return next((role for role in reversed(ADDS) if role in held), READER)
