"""Make an account that may correct taxonomy and papers in the admin."""

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = "Make a curator with a password that is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        """The account's name."""
        parser.add_argument("name")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        """Make the account and print its password."""
        users = get_user_model().objects
        if not name.strip():
            raise CommandError("Say a name: make curator NAME=ada", returncode=2)
        if users.filter(username=name).exists():
            raise CommandError(f"There is an account {name!r} already.", returncode=2)
        password = secrets.token_urlsafe(12)
        curator = users.create_user(username=name, password=password, is_staff=True)
        rights = Permission.objects.filter(content_type__app_label__in=["taxonomy", "kb"])
        curator.user_permissions.set(rights.exclude(codename__startswith="delete_"))
        self.stdout.write(f"{name} may sign in at /admin/ with this password: {password}")
        self.stdout.write("It is shown this once; change it there.")
