"""Other frameworks, and our risks beside their entries."""

from __future__ import annotations

import pghistory
from django.conf import settings
from django.db import models
from django.urls import reverse

from .lifecycle import Risk


class Framework(models.Model):
    """A published list of risks or controls that ours are mapped to."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    version = models.CharField(max_length=40)
    publisher = models.CharField(max_length=120, blank=True)
    url = models.URLField(max_length=300, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def get_absolute_url(self) -> str:
        return reverse("framework", args=[self.slug])


class FrameworkEntry(models.Model):
    """One id of a framework; names are facts, texts stay with their publisher."""

    framework = models.ForeignKey(Framework, models.CASCADE, related_name="entries")
    kind = models.CharField(max_length=40)
    ident = models.CharField(max_length=80)
    name = models.CharField(max_length=300)
    parent_ident = models.CharField(max_length=80, blank=True)
    url = models.URLField(max_length=300, blank=True)

    class Meta:
        ordering = ("framework", "ident")
        verbose_name_plural = "framework entries"
        constraints = (models.UniqueConstraint(fields=["framework", "ident"], name="entry_once"),)

    def __str__(self) -> str:
        return f"{self.ident} {self.name}"


class Relation(models.TextChoices):
    """SKOS mapping relations, read from our risk to the framework's entry."""

    EXACT = "exact", "exact match"
    CLOSE = "close", "close match"
    BROAD = "broad", "the entry is broader"
    NARROW = "narrow", "the entry is narrower"


@pghistory.track()
class Mapping(models.Model):
    """Our risk beside a framework's entry (SKOS, W3C 2009, section 10)."""

    risk = models.ForeignKey(Risk, models.CASCADE, related_name="mappings")
    entry = models.ForeignKey(FrameworkEntry, models.CASCADE, related_name="mappings")
    relation = models.CharField(max_length=10, choices=Relation)
    note = models.TextField(blank=True)
    framework_version = models.CharField(max_length=40, help_text="what was mapped to")
    mapped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["risk", "entry"], name="mapping_once"),
            models.CheckConstraint(
                condition=models.Q(relation__in=Relation.values), name="relation_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.risk} {self.relation} {self.entry}"

    @property
    def stale(self) -> bool:
        """Whether the framework has moved on since this was mapped."""
        return self.framework_version != self.entry.framework.version
