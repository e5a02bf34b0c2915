"""What the placer proposed, what curators made of it, and what visitors suggest."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from taxonomy.models import ChangeSet


class Training(models.Model):
    """The manifest of one fit: from what it learnt, how long it took."""

    digest = models.CharField(max_length=64, unique=True, help_text="sha256 of all it read")
    papers = models.PositiveIntegerField(help_text="curated papers it learnt from")
    risks = models.PositiveIntegerField()
    seconds = models.FloatField()
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-made_at",)

    def __str__(self) -> str:
        return f"learnt from {self.papers} papers ({self.digest[:12]})"


class Offer(models.Model):
    """The likely risks and kind of one paper, and the neighbours that say so.

    ``risks`` are ``{"risk": slug, "confidence": 0 to 1}``, likeliest first; ``neighbours`` are
    ``{"key", "title", "cosine", "risks": [slug]}``, nearest first; ``gain`` says what
    placing it can be expected to add to the coverage when its turn comes.
    """

    paper = models.OneToOneField("kb.Paper", models.CASCADE, related_name="offer")
    training = models.ForeignKey(Training, models.CASCADE, related_name="offers")
    risks = models.JSONField()
    kind = models.CharField(max_length=10)
    neighbours = models.JSONField()
    gain = models.FloatField(db_index=True)

    class Meta:
        ordering = ("-gain", "paper__key")

    def __str__(self) -> str:
        return f"offer for {self.paper}"


class Decision(models.Model):
    """What a curator made of an offer."""

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", "accepted"
        CHANGED = "changed", "changed"
        REJECTED = "rejected", "rejected"
        SKIPPED = "skipped", "skipped"

    paper = models.ForeignKey("kb.Paper", models.CASCADE, related_name="decisions")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict)
    offered = models.JSONField(default=list)
    offered_kind = models.CharField(max_length=10, blank=True)
    chosen = models.JSONField(default=list)
    kind = models.CharField(max_length=10, blank=True)
    changeset = models.ForeignKey(
        ChangeSet, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-at", "-pk")
        indexes = (models.Index(fields=["paper", "verdict"]),)

    def __str__(self) -> str:
        return f"{self.paper}: {self.verdict}"


class VisitorNote(models.Model):
    """A suggestion of somebody without an account; its secret link alone opens it to them."""

    class Topic(models.TextChoices):
        PAPER = "paper", "a paper that is missing"
        CORRECTION = "correction", "something that is wrong"
        PLACEMENT = "placement", "where a paper belongs"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        TAKEN = "taken", "taken up"
        DECLINED = "declined", "declined"

    topic = models.CharField(max_length=10, choices=Topic)
    about = models.CharField(max_length=300)
    text = models.TextField(max_length=4000)
    digest = models.CharField(max_length=64, unique=True, help_text="sha256 of the secret link")
    sender = models.CharField(max_length=64, help_text="keyed hash of the address, for the limit")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    answer = models.TextField(blank=True, max_length=4000)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-at", "-pk")
        indexes = (models.Index(fields=["state", "at"]), models.Index(fields=["sender", "at"]))

    def __str__(self) -> str:
        return f"{self.get_topic_display()}: {self.about}"
