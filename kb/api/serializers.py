"""How rows look in JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers as s

from kb.models import Paper, Placement
from taxonomy.models import (
    Category,
    Direction,
    EvidenceGrade,
    Framework,
    Mapping,
    Mitigation,
    Risk,
    RiskMitigation,
    Stage,
)

from .rows import Effort, RunRow


class StageRow(s.ModelSerializer[Stage]):
    risks = s.IntegerField(source="risk_count")
    mitigations = s.IntegerField(source="mitigation_count")

    class Meta:
        model = Stage
        fields = ("slug", "name", "position", "summary", "risks", "mitigations")


class CategoryRow(s.ModelSerializer[Category]):
    stage = s.SlugRelatedField("slug", read_only=True)
    parent = s.SlugRelatedField("slug", read_only=True, allow_null=True)

    class Meta:
        model = Category
        fields = ("slug", "number", "name", "stage", "parent", "origin", "summary", "status")


class RiskRow(s.ModelSerializer[Risk]):
    category = s.SlugRelatedField("slug", read_only=True)
    home_stage = s.CharField(source="category.stage.slug")
    papers = s.IntegerField(source="paper_count")
    mitigations = s.IntegerField(source="answer_count")
    runnable = s.IntegerField(source="runnable_count")

    class Meta:
        model = Risk
        fields = (
            "slug",
            "name",
            "aliases",
            "category",
            "home_stage",
            "papers",
            "mitigations",
            "runnable",
        )


class PlacementRow(s.ModelSerializer[Placement]):
    risk = s.SlugRelatedField("slug", read_only=True, allow_null=True)
    category = s.SlugRelatedField("slug", read_only=True, allow_null=True)

    class Meta:
        model = Placement
        fields = ("risk", "category", "kind", "origin", "confidence", "evidence")


class PaperRow(s.ModelSerializer[Paper]):
    """A paper; ``select=key,title`` in the address keeps only those fields."""

    placements = PlacementRow(many=True)
    page = s.CharField(source="get_absolute_url")

    class Meta:
        model = Paper
        fields = (
            "key",
            "title",
            "authors",
            "year",
            "venue",
            "arxiv_id",
            "doi",
            "url",
            "status",
            "tldr",
            "summary",
            "summary_basis",
            "survey_cited",
            "lists",
            "placements",
            "page",
        )

    def __init__(self, *args: Any, select: list[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in set(self.fields) - set(select or self.fields):
            self.fields.pop(name)


class PaperFull(PaperRow):
    mitigations = s.SerializerMethodField()

    class Meta(PaperRow.Meta):
        fields = (*PaperRow.Meta.fields, "abstract", "abstract_source", "mitigations")

    def get_mitigations(self, paper: Paper) -> list[str]:
        return [proposal.mitigation.slug for proposal in paper.proposals.all()]


class SimilarPaper(s.Serializer[Paper]):
    key = s.CharField()
    title = s.CharField()
    year = s.IntegerField()
    similarity = s.FloatField()


class MitigationRow(s.ModelSerializer[Mitigation]):
    stages = s.SlugRelatedField("slug", many=True, read_only=True)
    risks = s.SlugRelatedField("slug", many=True, read_only=True)
    runnable = s.BooleanField()

    class Meta:
        model = Mitigation
        fields = ("slug", "name", "stages", "runnable", "engine_key", "risks")


class Claim(s.ModelSerializer[RiskMitigation]):
    """What a mitigation is said to do against a risk, and what was found here."""

    risk = s.SlugRelatedField("slug", read_only=True)
    evidence_grade = s.ChoiceField(source="grade", choices=EvidenceGrade.choices)

    class Meta:
        model = RiskMitigation
        fields = ("risk", "claim", "claim_value", "claim_unit", "claim_source", "evidence_grade")


class MitigationFull(MitigationRow):
    answers = Claim(many=True)
    papers = s.ListField(child=s.CharField())
    runs = RunRow(many=True)
    params = s.ListField(child=s.DictField())
    targets = s.ListField(child=s.CharField())
    effort = Effort(allow_null=True)

    class Meta(MitigationRow.Meta):
        fields = (
            *MitigationRow.Meta.fields,
            "definition",
            "cost",
            "status",
            "answers",
            "papers",
            "params",
            "targets",
            "effort",
            "runs",
        )


class Answer(s.ModelSerializer[RiskMitigation]):
    """A mitigation of a risk, as the risk shows it."""

    slug = s.CharField(source="mitigation.slug")
    name = s.CharField(source="mitigation.name")
    runnable = s.BooleanField(source="mitigation.runnable")
    engine_key = s.CharField(source="mitigation.engine_key")
    evidence_grade = s.ChoiceField(source="evidence.grade", choices=EvidenceGrade.choices)
    evidence_reason = s.CharField(source="evidence.reason")
    graded_by_rule = s.BooleanField(source="evidence.by_rule")
    latest_run = RunRow(allow_null=True)

    class Meta:
        model = RiskMitigation
        fields = (
            "slug",
            "name",
            "runnable",
            "engine_key",
            "evidence_grade",
            "evidence_reason",
            "graded_by_rule",
            "claim",
            "claim_value",
            "claim_unit",
            "claim_source",
            "latest_run",
        )


class MappingRow(s.ModelSerializer[Mapping]):
    framework = s.CharField(source="entry.framework.slug")
    entry = s.CharField(source="entry.ident")
    name = s.CharField(source="entry.name")
    url = s.CharField(source="entry.url")
    stale = s.BooleanField(help_text="the framework has a newer version than was mapped to")

    class Meta:
        model = Mapping
        fields = (
            "framework",
            "entry",
            "name",
            "url",
            "relation",
            "note",
            "framework_version",
            "stale",
        )


class RiskFull(s.Serializer[dict[str, Any]]):
    slug = s.CharField(source="risk.slug")
    name = s.CharField(source="risk.name")
    definition = s.CharField(source="risk.definition")
    aliases = s.ListField(child=s.CharField(), source="risk.aliases")
    attacker_needs = s.CharField(source="risk.attacker_needs")
    harm = s.CharField(source="risk.harm")
    status = s.CharField(source="risk.status")
    category = s.CharField(source="risk.category.slug")
    stages = s.SerializerMethodField()
    counts = s.SerializerMethodField()
    papers = s.SerializerMethodField()
    mitigations = Answer(many=True, source="answers")
    mappings = MappingRow(many=True)

    def get_stages(self, page: dict[str, Any]) -> list[str]:
        return [stage.slug for stage in page["risk"].stages.all()]

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_counts(self, page: dict[str, Any]) -> dict[str, int]:
        return {kind: count for kind, _, count in page["kinds"]}

    @extend_schema_field(SimilarPaper(many=True))
    def get_papers(self, page: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"key": paper.key, "title": paper.title, "year": paper.year, "kind": paper.role}
            for paper in page["papers"]
        ]


class FrameworkRow(s.ModelSerializer[Framework]):
    entries = s.IntegerField(source="entry_count")
    mapped = s.IntegerField(source="mapped_count")
    stale = s.IntegerField(source="stale_count", help_text="mappings to an older version")

    class Meta:
        model = Framework
        fields = ("slug", "name", "version", "publisher", "url", "entries", "mapped", "stale")


class EntryRow(s.Serializer[Any]):
    id = s.CharField(source="ident")
    kind = s.CharField()
    name = s.CharField()
    url = s.CharField()
    risks = s.SerializerMethodField()

    @extend_schema_field({"type": "array", "items": {"type": "object"}})
    def get_risks(self, entry: Any) -> list[dict[str, Any]]:
        return [
            {
                "risk": mapping.risk.slug,
                "relation": mapping.relation,
                "note": mapping.note,
                "stale": mapping.stale,
            }
            for mapping in entry.mappings.all()
        ]


class KindCovered(s.Serializer[dict[str, Any]]):
    kind = s.CharField()
    entries = s.IntegerField()
    mapped = s.IntegerField()


class FrameworkFull(s.Serializer[dict[str, Any]]):
    slug = s.CharField(source="framework.slug")
    name = s.CharField(source="framework.name")
    version = s.CharField(source="framework.version")
    kinds = KindCovered(many=True)
    entries = EntryRow(many=True)


class DirectionRow(s.ModelSerializer[Direction]):
    category = s.SlugRelatedField("slug", read_only=True)
    risks = s.SlugRelatedField("slug", many=True, read_only=True)

    class Meta:
        model = Direction
        fields = ("slug", "name", "summary", "category", "risks", "open_questions")


class FacetValueRow(s.Serializer[Any]):
    value = s.CharField()
    label = s.CharField()
    count = s.IntegerField()


class FacetRow(s.Serializer[Any]):
    name = s.CharField()
    values = FacetValueRow(many=True)


class HitRow(s.Serializer[Paper]):
    key = s.CharField()
    title = s.CharField()
    year = s.IntegerField()
    score = s.FloatField(source="hit.score")
    ranks = s.DictField(child=s.IntegerField(allow_null=True), source="hit.ranks")
    why = s.SerializerMethodField()

    def get_why(self, paper: Paper) -> str:
        return "".join(piece for piece, _ in paper.why)  # type: ignore[attr-defined]


class TermRow(s.Serializer[Any]):
    """A risk or a mitigation beside the papers."""

    slug = s.CharField()
    name = s.CharField()
    url = s.CharField()


class AnswerFull(s.Serializer[Any]):
    query = s.CharField()
    mode = s.CharField()
    count = s.IntegerField()
    answerable = s.BooleanField(
        help_text="Whether anything here answers it, by a calibrated threshold."
    )
    took_ms = s.DictField(child=s.FloatField())
    results = HitRow(many=True, source="papers")
    risks = TermRow(many=True, source="beside.risks")
    mitigations = TermRow(many=True, source="beside.mitigations")
    nearest_topics = TermRow(
        many=True, source="beside.nearest", help_text="Risks nearest in meaning, however far."
    )
    facets = FacetRow(many=True)


class SearchAsked(s.Serializer[Any]):
    """The body of ``POST search/``: a text up to an abstract's length or so."""

    text = s.CharField(max_length=20_000, trim_whitespace=True)


class CoverageRow(s.Serializer[Any]):
    slug = s.CharField()
    name = s.CharField()
    stage = s.CharField()
    papers = s.IntegerField()
    mitigations = s.IntegerField()
    runnable = s.IntegerField()
    measured = s.IntegerField()
    fresh = s.IntegerField(help_text="measured within the last 180 days")


class CoverageStage(s.Serializer[Any]):
    slug = s.CharField()
    name = s.CharField()
    mitigations = s.IntegerField()
    runnable = s.IntegerField()
    measured = s.IntegerField(help_text="mitigations with a finished run")
    measurable = s.IntegerField(help_text="with a newest run whose verdict is measurable")


class CoverageElsewhere(s.Serializer[Any]):
    framework = s.CharField()
    name = s.CharField()
    risks = s.IntegerField(help_text="techniques or risks that the framework lists")
    with_mitigations = s.IntegerField()


class CoverageFull(s.Serializer[Any]):
    risks = CoverageRow(many=True)
    stages = CoverageStage(many=True)
    totals = s.DictField(child=s.IntegerField())
    elsewhere = CoverageElsewhere(many=True)
