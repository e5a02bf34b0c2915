"""Mitigations and how well they answer risks."""

from __future__ import annotations

import pghistory
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse

from .lifecycle import Risk, Stage, Status


@pghistory.track()
class Mitigation(models.Model):
    """A method that lowers one or more risks; runs here when ``engine_key`` is set."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120, unique=True)
    definition = models.TextField()
    stages: models.ManyToManyField[Stage, Stage] = models.ManyToManyField(
        Stage, related_name="mitigations", help_text="where it is applied"
    )
    cost = models.TextField(blank=True, help_text="what it takes and what it spoils")
    engine_key = models.SlugField(max_length=80, blank=True)
    risks: models.ManyToManyField[Risk, RiskMitigation] = models.ManyToManyField(
        Risk, through="RiskMitigation", related_name="mitigations"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(definition=""), name="mitigation_is_defined"
            ),
            models.CheckConstraint(
                # Runs, pages and the API name a runnable mitigation by one word.
                condition=models.Q(engine_key="") | models.Q(engine_key=models.F("slug")),
                name="mitigation_engine_key_is_slug",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=Status.values), name="mitigation_status_known"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("mitigation", args=[self.slug])

    @property
    def runnable(self) -> bool:
        """Whether the bundled engine implements it."""
        return bool(self.engine_key)


@pghistory.track(pghistory.InsertEvent(), pghistory.DeleteEvent(), obj_field=None)
class MitigationStage(Mitigation.stages.through):  # type: ignore[name-defined]
    """The stages of a mitigation, for their history alone."""

    class Meta:
        proxy = True


class EvidenceGrade(models.TextChoices):
    """How far a mitigation's claim against a risk has been borne out here."""

    REPRODUCED = "reproduced", "reproduced"
    PARTLY = "partly", "partly reproduced"
    REFUTED = "refuted", "not borne out"
    NOT_MEASURABLE = "not-measurable", "not measurable here"
    CLAIMED = "claimed", "claimed"
    NOT_RUN = "not-run", "not run"


# What a row holds before anybody grades it; the grade that is shown follows the runs then.
UNGRADED = {EvidenceGrade.CLAIMED, EvidenceGrade.NOT_RUN}


@pghistory.track()
class RiskMitigation(models.Model):
    """That a mitigation answers a risk, the figure its paper claims, and the evidence."""

    risk = models.ForeignKey(Risk, models.CASCADE, related_name="answers")
    mitigation = models.ForeignKey(Mitigation, models.CASCADE, related_name="answers")
    claim = models.TextField(blank=True, help_text="the paper's figure, in a sentence")
    claim_value = models.FloatField(null=True, blank=True)
    claim_unit = models.CharField(max_length=20, blank=True)
    claim_source = models.CharField(max_length=120, blank=True, help_text="key of the paper")
    grade = models.CharField(max_length=20, choices=EvidenceGrade, default=EvidenceGrade.NOT_RUN)
    grade_reason = models.TextField(
        blank=True, help_text="why a curator set the grade; empty: it follows the runs by rule"
    )
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["risk", "mitigation"], name="answer_once"),
            models.CheckConstraint(
                condition=models.Q(claim="") | ~models.Q(claim_source=""),
                name="claim_has_source",
            ),
            models.CheckConstraint(
                condition=models.Q(grade__in=EvidenceGrade.values), name="grade_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.mitigation} against {self.risk}"

    def clean(self) -> None:
        """Refuse a grade that nobody gave a reason for; raises ValidationError."""
        if self.grade in UNGRADED and (self.claim or self.grade == EvidenceGrade.NOT_RUN):
            return
        if not self.grade_reason.strip():
            raise ValidationError(
                {
                    "grade_reason": "A grade set by hand needs a reason; readers see it. "
                    "Without one choose “not run”: the grade then follows the runs by rule."
                }
            )
