"""Stages, the category tree, the risks under it, and the research directions."""

from __future__ import annotations

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.urls import reverse
from tree_queries.models import TreeNode

# Two moves at once could each be fine and close a circle together: hence the lock.
NO_CIRCLE = """
PERFORM pg_advisory_xact_lock(hashtext('taxonomy_category.parent'));
IF EXISTS (
    WITH RECURSIVE above(id, parent_id) AS (
        SELECT id, parent_id FROM taxonomy_category WHERE id = NEW.parent_id
        UNION
        SELECT c.id, c.parent_id FROM taxonomy_category c JOIN above ON c.id = above.parent_id
    ) SELECT 1 FROM above WHERE id = NEW.id
) THEN
    RAISE EXCEPTION 'category % cannot be moved under itself', NEW.slug
        USING ERRCODE = 'check_violation';
END IF;
RETURN NEW;
"""

# The same for redirects: a chain of merges must end somewhere.
NO_LOOP = """
PERFORM pg_advisory_xact_lock(hashtext('taxonomy_risk.merged_into'));
IF EXISTS (
    WITH RECURSIVE onward(id, next_id) AS (
        SELECT id, merged_into_id FROM taxonomy_risk WHERE id = NEW.merged_into_id
        UNION
        SELECT r.id, r.merged_into_id FROM taxonomy_risk r JOIN onward ON r.id = onward.next_id
    ) SELECT 1 FROM onward WHERE id = NEW.id
) THEN
    RAISE EXCEPTION 'risk % cannot be merged into itself', NEW.slug
        USING ERRCODE = 'check_violation';
END IF;
RETURN NEW;
"""


class Origin(models.TextChoices):
    """Whether a heading stands in the survey's outline or was added by us."""

    SURVEY = "survey", "the survey"
    OURS = "ours", "added here"


class Status(models.TextChoices):
    """Retired rows keep their page and their address, and leave the lists."""

    ACTIVE = "active", "active"
    RETIRED = "retired", "retired"


class Stage(models.Model):
    """One of the five lifecycle stages, or the cross-stage shelf."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField(unique=True)
    summary = models.TextField()

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("stage", args=[self.slug])


@pghistory.track()
class Category(TreeNode):
    """A heading of the survey's outline, or of ours, under a stage."""

    slug = models.SlugField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    number = models.CharField(max_length=20, blank=True, help_text="section of the survey")
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="categories")
    origin = models.CharField(max_length=10, choices=Origin)
    summary = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("position",)
        verbose_name_plural = "categories"
        constraints = (
            models.UniqueConstraint(
                fields=["number"],
                condition=~models.Q(number=""),
                name="category_number_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(parent=models.F("id")), name="category_not_own_parent"
            ),
            models.CheckConstraint(
                condition=models.Q(origin__in=Origin.values), name="category_origin_known"
            ),
        )
        triggers = (
            pgtrigger.Trigger(
                name="no_circle",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("parent_id"),
                func=NO_CIRCLE,
            ),
        )

    def __str__(self) -> str:
        return f"{self.number} {self.name}".strip()

    def get_absolute_url(self) -> str:
        return reverse("category", args=[self.slug])


@pghistory.track()
class Risk(models.Model):
    """What can go wrong: a leaf that people look up by name."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120, unique=True)
    definition = models.TextField()
    category = models.ForeignKey(Category, models.PROTECT, related_name="risks")
    stages: models.ManyToManyField[Stage, Stage] = models.ManyToManyField(
        Stage, related_name="risks", help_text="where it arises"
    )
    aliases = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    attacker_needs = models.TextField(blank=True)
    harm = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="merged", help_text="redirect"
    )
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("name",)
        indexes = (GinIndex(fields=["aliases"]),)
        triggers = (
            pgtrigger.Trigger(
                name="no_loop",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("merged_into_id"),
                func=NO_LOOP,
            ),
        )
        constraints = (
            models.CheckConstraint(condition=~models.Q(definition=""), name="risk_is_defined"),
            models.CheckConstraint(
                condition=models.Q(status__in=Status.values), name="risk_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(merged_into__isnull=True) | models.Q(status="retired"),
                name="merged_is_retired",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("risk", args=[self.slug])

    def heir(self) -> Risk:
        """The risk that took this one over, at the end of the chain; itself if none did."""
        found = self
        while found.merged_into is not None:
            found = found.merged_into
        return found


@pghistory.track(pghistory.InsertEvent(), pghistory.DeleteEvent(), obj_field=None)
class RiskStage(Risk.stages.through):  # type: ignore[name-defined]
    """The stages of a risk, for their history alone."""

    class Meta:
        proxy = True


@pghistory.track()
class Direction(models.Model):
    """A research direction that the survey names, with its open questions."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=160)
    summary = models.TextField()
    category = models.ForeignKey(Category, models.PROTECT, related_name="directions")
    risks: models.ManyToManyField[Risk, Risk] = models.ManyToManyField(
        Risk, related_name="directions", blank=True
    )
    open_questions = ArrayField(models.TextField(), default=list, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("position", "name")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(status__in=Status.values), name="direction_status_known"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("direction", args=[self.slug])


@pghistory.track(pghistory.InsertEvent(), pghistory.DeleteEvent(), obj_field=None)
class DirectionRisk(Direction.risks.through):  # type: ignore[name-defined]
    """The risks of a direction, for their history alone."""

    class Meta:
        proxy = True
