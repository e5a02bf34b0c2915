"""Change sets and releases: who proposed what, and what was published."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models


class ChangeSet(models.Model):
    """One proposal of one or many edits with its rationale."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        IN_REVIEW = "in-review", "in review"
        CHANGES_ASKED = "changes-asked", "changes asked"
        PUBLISHED = "published", "published"
        REJECTED = "rejected", "rejected"

    title = models.CharField(max_length=200)
    rationale = models.TextField(blank=True)
    state = models.CharField(max_length=20, choices=State, default=State.DRAFT)
    source_digest = models.CharField(
        max_length=64, blank=True, help_text="sha256 of the files it was loaded from"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=(
                    models.Q(state="published", published_at__isnull=False)
                    | (~models.Q(state="published") & models.Q(published_at__isnull=True))
                ),
                name="published_has_date",
            ),
            models.CheckConstraint(
                condition=models.Q(reviewer__isnull=True) | ~models.Q(reviewer=models.F("author")),
                name="nobody_reviews_their_own",
            ),
        )

    def __str__(self) -> str:
        return self.title


class Release(models.Model):
    """An immutable numbered snapshot of the taxonomy, citable by its digest."""

    number = models.PositiveIntegerField(unique=True)
    note = models.TextField(blank=True)
    snapshot = models.JSONField()
    digest = models.CharField(max_length=64, help_text="sha256 of the canonical snapshot")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-number",)
        triggers = (
            pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete),
        )

    def __str__(self) -> str:
        return f"Release {self.number}"
