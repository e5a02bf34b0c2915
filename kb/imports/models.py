"""An import between its preview and its confirmation: rows that are not papers yet."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse


class PaperImport(models.Model):
    """A file of papers, read and compared, to be confirmed or dropped."""

    class State(models.TextChoices):
        EXAMINING = "examining", "being examined"
        READY = "ready", "ready to confirm"
        DONE = "done", "imported"

    name = models.CharField(max_length=200)
    format = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=State, default=State.EXAMINING)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changeset = models.ForeignKey(
        "taxonomy.ChangeSet", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True, help_text="what became of it, in words")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("paper-import", args=[self.pk])


class ImportRow(models.Model):
    """One row of a file: what it says, what it was found to be, and what is to be done."""

    class Status(models.TextChoices):
        NEW = "new", "new"
        LINKED = "linked", "another version of"
        DUPLICATE = "duplicate", "duplicate of"
        POSSIBLE = "possible", "possible duplicate of"
        INVALID = "invalid", "invalid"

    class Choice(models.TextChoices):
        ADD = "add", "add it"
        FILL = "fill", "fill in what is missing there"
        SKIP = "skip", "leave it out"

    batch = models.ForeignKey(PaperImport, models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status)
    choice = models.CharField(max_length=10, choices=Choice)
    reason = models.TextField(blank=True)
    record = models.JSONField()
    paper = models.ForeignKey("kb.Paper", models.SET_NULL, null=True, blank=True, related_name="+")
    same_row = models.PositiveIntegerField(null=True, blank=True, help_text="its row in this file")
    similarity = models.FloatField(null=True, blank=True, help_text="cosine, where compared")
    examined = models.BooleanField(default=False, help_text="looked up and compared by meaning")
    vector = models.BinaryField(null=True, blank=True, help_text="as in Embedding, for its text")

    class Meta:
        ordering = ("batch", "number")
        indexes = (models.Index(fields=["batch", "status"]),)
        constraints = (
            models.UniqueConstraint(fields=["batch", "number"], name="import_row_once"),
            models.CheckConstraint(
                condition=~models.Q(status="invalid") | models.Q(choice="skip"),
                name="invalid_is_left_out",
            ),
        )

    def __str__(self) -> str:
        return f"row {self.number} of {self.batch}"
