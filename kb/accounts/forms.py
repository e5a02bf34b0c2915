"""Forms of accounts: signing in, a new token."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from . import throttle


class SignInForm(AuthenticationForm):
    """Django's form, which says how long to wait after too many failures."""

    waiting = False

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError at a wrong password or while waiting."""
        try:
            return super().clean()
        except forms.ValidationError:
            minutes = throttle.wait_minutes(self.request, self.cleaned_data.get("username", ""))
            if not minutes:
                raise
            self.waiting = True
            plural = "" if minutes == 1 else "s"
            raise forms.ValidationError(
                f"Too many attempts. Wait {minutes} minute{plural}, or reset the password."
            ) from None


class TokenForm(forms.Form):
    """What a new token is for, and how long it lasts."""

    name = forms.CharField(max_length=80, help_text="What uses it, such as “nightly import”.")
    days = forms.IntegerField(
        min_value=1, max_value=3650, required=False, label="Days", help_text="Empty: no end."
    )
