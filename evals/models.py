"""Targets, runs and their figures. Risks and mitigations are named by their slugs."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse

from . import addresses
from .engine import registry
from .engine.endpoints import checked


class Target(models.Model):
    """What a run attacks: a bundled model, or an endpoint an administrator registered."""

    class Kind(models.TextChoices):
        BUNDLED = "bundled", "bundled model"
        ENDPOINT = "endpoint", "registered endpoint"

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=160)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.BUNDLED)
    summary = models.TextField(blank=True)
    active = models.BooleanField(default=True)
    base_url = models.CharField(
        max_length=300, blank=True, help_text="an endpoint's address up to /chat/completions"
    )
    model = models.CharField(
        max_length=160, blank=True, help_text="by which name the endpoint knows its model"
    )
    per_minute = models.PositiveIntegerField(
        default=0, help_text="requests that may be made in a minute; 0: as many as it takes"
    )

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(kind__in=["bundled", "endpoint"]), name="target_kind_known"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="bundled", base_url="", model="")
                | models.Q(kind="endpoint") & ~models.Q(base_url="") & ~models.Q(model=""),
                name="endpoint_has_address_and_model",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def endpoint(self) -> dict[str, Any]:
        """Where it is, as a specification says it; empty for a bundled model."""
        if self.kind == self.Kind.BUNDLED:
            return {}
        return {"base_url": self.base_url, "model": self.model, "per_minute": self.per_minute}

    def clean(self) -> None:
        """Refuse an endpoint that no run could or may reach; raises ValidationError."""
        if self.kind == self.Kind.BUNDLED:
            return
        try:
            checked(self.endpoint)
            addresses.check(self.base_url, local=settings.LOCAL_ENDPOINTS)
        except ValueError as error:  # BadParameter, BadAddress, or no address at all
            raise ValidationError(str(error)) from None
        if self.slug in {known.slug for known in registry.targets()}:
            raise ValidationError("A bundled model has this name already.")


class Verdict(models.TextChoices):
    """Whether the figures of a run mean anything; precedes them everywhere."""

    MEASURABLE = "measurable", "measurable"
    FLOOR = "floor", "floor: the attack hardly works undefended"
    CEILING = "ceiling", "ceiling"
    UTILITY_COLLAPSED = "utility-collapsed", "utility collapsed"
    TOO_FEW = "too-few", "too few"


class Run(models.Model):
    """A frozen specification, its status, and what was measured."""

    class Status(models.TextChoices):
        QUEUED = "queued", "queued"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    UNFINISHED = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    mitigation = models.SlugField(max_length=80)
    risk = models.SlugField(max_length=80)
    target = models.ForeignKey(Target, models.PROTECT, related_name="runs")
    seed = models.PositiveIntegerField(default=0)
    params = models.JSONField(default=dict)
    spec = models.JSONField(help_text="everything that decides the numbers")
    spec_digest = models.CharField(max_length=64, db_index=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    attempt = models.PositiveSmallIntegerField(
        default=0, help_text="how often a worker has taken it; each names its own attempt"
    )
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    progress_step = models.CharField(max_length=200, blank=True)
    steps = models.JSONField(
        default=list,
        blank=True,
        help_text="what it did when: {at, step, done, total} for each new step",
    )
    verdict = models.CharField(max_length=20, choices=Verdict, blank=True)
    reason = models.TextField(blank=True, help_text="why this verdict")
    result = models.JSONField(null=True, blank=True, help_text="the engine's whole record")
    result_digest = models.CharField(max_length=64, blank=True, db_index=True)
    summary = models.JSONField(
        default=dict, blank=True, help_text="the few figures of the record that lists need"
    )
    error = models.TextField(blank=True)
    origin = models.CharField(
        max_length=200, blank=True, help_text="empty: run here; else where it was measured"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "id")
        indexes = (
            models.Index(fields=["mitigation", "risk", "-created_at"]),
            models.Index(fields=["status", "-created_at"]),
        )
        constraints = (
            models.UniqueConstraint(
                # Two people asking for the same thing at once share one run.
                fields=["spec_digest"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_unfinished_run_of_a_spec",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="done")
                | models.Q(result__isnull=False, finished_at__isnull=False) & ~models.Q(verdict=""),
                name="done_has_result_and_verdict",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="failed") | ~models.Q(error=""),
                name="failed_says_why",
            ),
        )

    def __str__(self) -> str:
        return f"{self.mitigation} against {self.risk} on {self.target_id}"

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.id])

    @property
    def unfinished(self) -> bool:
        """Whether it waits for a worker or has one."""
        return self.status in self.UNFINISHED

    @property
    def headline(self) -> str:
        """The name of the figure that stands for the run in lists: its first."""
        first = next(iter(self.metrics.all()), None)
        return first.name if first else ""


class RunLog(models.Model):
    """An Inspect log that a run left; ``inspect view`` opens it. The record has its sha256.

    It lies in the database, since the worker may be on another machine than the site.
    """

    run = models.ForeignKey(Run, models.CASCADE, related_name="logs")
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField(help_text="bytes")
    content = models.BinaryField()

    class Meta:
        ordering = ("run", "name")
        constraints = (models.UniqueConstraint(fields=["run", "name"], name="log_once"),)

    def __str__(self) -> str:
        return self.name


class Metric(models.Model):
    """One figure of a run: never without its n and its interval."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="metrics")
    position = models.PositiveSmallIntegerField()
    name = models.SlugField(max_length=80)
    label = models.CharField(max_length=160)
    arm = models.SlugField(max_length=80)
    value = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    n = models.PositiveIntegerField()
    method = models.CharField(max_length=80)
    unit = models.CharField(max_length=20, blank=True)
    better = models.CharField(max_length=10, blank=True, help_text="higher or lower")

    class Meta:
        ordering = ("run", "position")
        constraints = (
            models.UniqueConstraint(fields=["run", "name", "arm"], name="metric_once"),
            models.CheckConstraint(
                condition=models.Q(low__lte=models.F("value"), high__gte=models.F("value")),
                name="interval_holds_value",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.arm}): {self.value:g} [{self.low:g}, {self.high:g}]"


class EvidenceImport(models.Model):
    """A report of another tool: what file, by whom, and which of its rows were left out."""

    class Tool(models.TextChoices):
        GARAK = "garak", "garak"
        INSPECT = "inspect", "Inspect"
        PROMPTFOO = "promptfoo", "promptfoo"

    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64, unique=True)
    size = models.PositiveIntegerField(help_text="bytes")
    tool = models.CharField(max_length=20, choices=Tool)
    tool_version = models.CharField(max_length=40, blank=True)
    measured_at = models.CharField(max_length=40, blank=True, help_text="as the file says it")
    note = models.TextField(blank=True, help_text="where it comes from")
    problems = models.JSONField(default=list, help_text="rows that were left out: {where, reason}")
    left_out = models.PositiveIntegerField(default=0)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return f"{self.name} ({self.get_tool_display()})"

    def get_absolute_url(self) -> str:
        return reverse("import", args=[self.pk])


class ImportedFinding(models.Model):
    """One rate that another tool measured, with an interval computed here; no run of ours."""

    source = models.ForeignKey(EvidenceImport, models.CASCADE, related_name="findings")
    position = models.PositiveIntegerField()
    risk = models.SlugField(max_length=80, blank=True, db_index=True)
    mitigation = models.SlugField(
        max_length=80, blank=True, db_index=True, help_text="in place then; empty: none"
    )
    suggested = models.BooleanField(default=True, help_text="mapped by a rule, not by a person")
    group = models.CharField(max_length=160, help_text="probe, task or plug-in")
    judge = models.CharField(max_length=160, help_text="detector, scorer or strategy")
    label = models.CharField(max_length=400)
    model = models.CharField(max_length=160, blank=True)
    value = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    n = models.PositiveIntegerField()
    method = models.CharField(max_length=80)
    better = models.CharField(max_length=10, blank=True)
    said = models.JSONField(default=dict, help_text="what the tool itself reported")

    class Meta:
        ordering = ("source", "position")
        constraints = (
            models.UniqueConstraint(fields=["source", "position"], name="finding_once"),
            models.CheckConstraint(
                condition=models.Q(low__lte=models.F("value"), high__gte=models.F("value")),
                name="finding_interval_holds_value",
            ),
        )

    def __str__(self) -> str:
        return f"{self.label}: {self.value:g} [{self.low:g}, {self.high:g}]"

    @property
    def unit(self) -> str:
        """Whether it is a share; scores on other scales have no unit."""
        return "share" if self.low >= 0 and self.high <= 1 else ""
