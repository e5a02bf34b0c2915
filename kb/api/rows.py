"""How targets, runs, change sets, releases and changes look in JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers as s
from rest_framework.reverse import reverse

from evals.models import Metric, Run, Target
from taxonomy.models import ChangeSet, Release


class TargetRow(s.ModelSerializer[Target]):
    class Meta:
        model = Target
        fields = ("slug", "name", "kind", "summary")


class MetricRow(s.ModelSerializer[Metric]):
    class Meta:
        model = Metric
        fields = (
            "name",
            "label",
            "arm",
            "value",
            "low",
            "high",
            "n",
            "method",
            "unit",
            "better",
        )


class RunRow(s.ModelSerializer[Run]):
    """A run without its samples."""

    target = s.SlugRelatedField("slug", read_only=True)
    stack = s.SerializerMethodField(help_text="The mitigation behind the first; often empty.")
    progress = s.SerializerMethodField()
    validity = s.SerializerMethodField()
    metrics = MetricRow(many=True)
    url = s.SerializerMethodField()
    page = s.CharField(source="get_absolute_url")

    class Meta:
        model = Run
        fields: tuple[str, ...] = (
            "id",
            "mitigation",
            "stack",
            "risk",
            "target",
            "seed",
            "params",
            "status",
            "progress",
            "validity",
            "metrics",
            "error",
            "origin",
            "spec_digest",
            "result_digest",
            "created_at",
            "started_at",
            "finished_at",
            "url",
            "page",
        )

    def get_stack(self, run: Run) -> str:
        listed = hasattr(run, "stack")  # lists leave the specification in the database
        return (getattr(run, "stack", "") if listed else run.spec.get("stack")) or ""

    @extend_schema_field({"type": "object"})
    def get_progress(self, run: Run) -> dict[str, Any]:
        return {
            "done": run.progress_done,
            "total": run.progress_total,
            "step": run.progress_step,
        }

    @extend_schema_field({"type": ["object", "null"]})
    def get_validity(self, run: Run) -> dict[str, str] | None:
        return {"verdict": run.verdict, "reason": run.reason} if run.verdict else None

    def get_url(self, run: Run) -> str:
        return str(reverse("api:run", args=[run.pk], request=self.context.get("request")))


class RunFull(RunRow):
    """A run with its specification and the engine's whole record."""

    comparison = s.SerializerMethodField()
    provenance = s.SerializerMethodField()

    class Meta(RunRow.Meta):
        fields = (*RunRow.Meta.fields, "spec", "comparison", "provenance", "result")

    @extend_schema_field({"type": ["object", "null"]})
    def get_comparison(self, run: Run) -> dict[str, Any] | None:
        """The primary paired comparison of the arms."""
        found = (run.result or {}).get("comparisons", [])
        return next((row for row in found if row.get("primary")), None)

    @extend_schema_field({"type": ["object", "null"]})
    def get_provenance(self, run: Run) -> dict[str, Any] | None:
        return (run.result or {}).get("provenance")


class ChangeSetRow(s.ModelSerializer[ChangeSet]):
    author = s.CharField(source="author.username", allow_null=True, default=None)
    reviewer = s.CharField(source="reviewer.username", allow_null=True, default=None)

    class Meta:
        model = ChangeSet
        fields: tuple[str, ...] = (
            "id",
            "title",
            "rationale",
            "state",
            "direct",
            "author",
            "reviewer",
            "reverts",
            "created_at",
            "published_at",
        )


class ReleaseRow(s.ModelSerializer[Release]):
    class Meta:
        model = Release
        fields: tuple[str, ...] = ("number", "note", "digest", "created_at")


class ReleaseFull(ReleaseRow):
    class Meta(ReleaseRow.Meta):
        fields = (*ReleaseRow.Meta.fields, "snapshot")


class ChangeRow(s.Serializer[Any]):
    """One recorded change of one row."""

    id = s.CharField(source="pgh_id")
    at = s.DateTimeField()
    what = s.CharField()
    object = s.CharField()
    label = s.CharField()
    by = s.CharField(allow_null=True)
    reason = s.CharField(allow_blank=True)
    changeset = s.CharField(allow_null=True)


class Took(s.Serializer[Any]):
    """How long the newest stored run took."""

    run = s.UUIDField(source="pk")
    seconds = s.FloatField()
    at = s.DateTimeField()
    threads = s.IntegerField(allow_null=True)
    same = s.BooleanField(help_text="with the default parameters")


class Effort(s.Serializer[Any]):
    """What a run may take: as measured, and in minutes as declared for two cores."""

    took = Took(allow_null=True)
    declared = s.FloatField()
