"""What is known of an account beside Django's own user."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Account(models.Model):
    """Whether somebody still has the password that was made for them."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="account")
    must_change_password = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.user)


class ApiToken(models.Model):
    """A program's key to its owner's rights; only its sha256 is stored."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80, help_text="what it is for")
    start = models.CharField(max_length=12, help_text="its first characters, to tell it by")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= timezone.now()


class SignInAttempt(models.Model):
    """A sign-in that has not succeeded; a success removes its own."""

    username = models.CharField(max_length=150)
    address = models.GenericIPAddressField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = (models.Index(fields=["at"]),)

    def __str__(self) -> str:
        return f"{self.username} at {self.at}"
