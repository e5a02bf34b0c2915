"""Make an account with a role and a one-time password."""

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from kb.accounts import roles
from kb.accounts.models import Account


class Command(BaseCommand):
    help = "Make an account (a curator by default) with a password that is shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        """The account's name, role and address."""
        parser.add_argument("name")
        parser.add_argument("--role", default=roles.CURATOR, choices=list(roles.ADDS))
        parser.add_argument("--email", default="", help="where password resets are sent")

    @transaction.atomic
    def handle(self, *args: Any, name: str, role: str, email: str, **options: Any) -> None:
        """Make the account and print its password."""
        users = get_user_model().objects
        if not name.strip():
            raise CommandError("Say a name: make curator NAME=ada", returncode=2)
        if users.filter(username=name).exists():
            raise CommandError(f"There is an account {name!r} already.", returncode=2)
        password = secrets.token_urlsafe(12)
        made = users.create_user(username=name, email=email, password=password)
        roles.give(user=made, role=role)
        Account.objects.create(user=made, must_change_password=True)
        self.stdout.write(f"{name} ({role}) may sign in with this password: {password}")
        self.stdout.write("It is shown this once, and must be changed at the first sign-in.")
