"""Change sets and releases: who proposed what, and what was published."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.urls import reverse


class ChangeSet(models.Model):
    """One proposal of one or many edits with its rationale."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        IN_REVIEW = "in-review", "in review"
        CHANGES_ASKED = "changes-asked", "changes asked"
        APPROVED = "approved", "approved"
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
    reverts = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="reverted_by"
    )
    direct = models.BooleanField(default=False, help_text="an edit made at once, unreviewed")
    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)

    OPEN = (State.DRAFT, State.CHANGES_ASKED)
    WAITING = (State.IN_REVIEW, State.APPROVED)

    class Meta:
        ordering = ("-id",)
        permissions = (
            ("propose", "May propose changes"),
            ("edit_live", "May edit and place at once"),
            ("review", "May review and publish what others propose"),
            ("release", "May freeze a release"),
        )
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

    def get_absolute_url(self) -> str:
        return reverse("changeset", args=[self.pk])


class ChangeItem(models.Model):
    """One edit of a change set: what is asked for, and once published what it changed.

    ``base`` holds the values of the touched fields when the edit was proposed, ``changes``
    the rows it wrote, each with the values before and after: what undoing goes by.
    """

    class Op(models.TextChoices):
        EDIT = "edit", "edit"
        CREATE = "create", "create"
        DELETE = "delete", "remove"
        MOVE = "move", "move"
        MERGE = "merge", "merge"
        SPLIT = "split", "split"
        RETIRE = "retire", "retire"
        RESTORE = "restore", "restore"
        BULK = "bulk", "bulk change"
        REVERT = "revert", "revert"

    changeset = models.ForeignKey(ChangeSet, models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    op = models.CharField(max_length=10, choices=Op)
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=200, blank=True)
    fields = models.JSONField(default=dict, blank=True)
    base_version = models.PositiveIntegerField(null=True, blank=True)
    base = models.JSONField(default=dict, blank=True)
    changes = models.JSONField(default=list, blank=True)
    reverted_in = models.ForeignKey(
        ChangeSet, models.SET_NULL, null=True, blank=True, related_name="reverted_items"
    )

    class Meta:
        ordering = ("changeset", "position")
        constraints = (
            models.UniqueConstraint(fields=["changeset", "position"], name="item_position_once"),
        )

    def __str__(self) -> str:
        return f"{self.get_op_display()} {self.kind} {self.key}".strip()


class Comment(models.Model):
    """What somebody says about a change set, or about one item of it."""

    changeset = models.ForeignKey(ChangeSet, models.CASCADE, related_name="comments")
    item = models.ForeignKey(
        ChangeItem, models.CASCADE, null=True, blank=True, related_name="comments"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("created_at", "pk")

    def __str__(self) -> str:
        return self.text[:80]


class EditDraft(models.Model):
    """A form that somebody has begun to fill in, saved while they type."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=200)
    fields = models.JSONField(default=dict)
    base_version = models.PositiveIntegerField()
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "kind", "key"], name="one_draft_each"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key} by {self.user}"


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

    def get_absolute_url(self) -> str:
        return reverse("release", args=[self.number])
