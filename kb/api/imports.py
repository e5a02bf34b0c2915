"""Imported evidence by REST: list, read, import a file, map its findings, publish, delete."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers as s
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from evals.imports import NotReadable, storing
from evals.imports.reading import MOST_BYTES
from evals.imports.storing import NotMapped
from evals.models import EvidenceImport, ImportedFinding
from kb.queries import imports as queries

from .base import Listing, only_known
from .parsing import PlainJSON
from .tokens import owner

RIGHT = "taxonomy.edit_live"


class FindingRow(s.ModelSerializer[ImportedFinding]):
    """A rate that another tool measured, with an interval computed here."""

    class Meta:
        model = ImportedFinding
        fields = (
            "position",
            "risk",
            "mitigation",
            "suggested",
            "group",
            "judge",
            "label",
            "model",
            "value",
            "low",
            "high",
            "n",
            "method",
            "better",
            "said",
        )


class ImportRow(s.ModelSerializer[EvidenceImport]):
    """A report of another tool."""

    imported_by = s.CharField(source="imported_by.username", allow_null=True, default=None)
    findings = s.IntegerField(source="finding_count")
    mapped = s.IntegerField(source="mapped_count")
    url = s.SerializerMethodField()

    class Meta:
        model = EvidenceImport
        fields: tuple[str, ...] = (
            "id",
            "name",
            "tool",
            "tool_version",
            "measured_at",
            "sha256",
            "size",
            "note",
            "findings",
            "mapped",
            "left_out",
            "imported_by",
            "created_at",
            "published_at",
            "url",
        )

    def get_url(self, found: EvidenceImport) -> str:
        return str(reverse("api:import", args=[found.pk], request=self.context.get("request")))


class ProblemRow(s.Serializer[Any]):
    """A row that was left out, or says something else than the rest."""

    where = s.CharField()
    reason = s.CharField()


class ImportFull(ImportRow):
    """With its findings and the rows that were left out."""

    findings = s.SerializerMethodField()
    problems = ProblemRow(many=True)

    class Meta(ImportRow.Meta):
        fields = (*ImportRow.Meta.fields, "problems")

    @extend_schema_field(FindingRow(many=True))
    def get_findings(self, found: EvidenceImport) -> Any:
        return FindingRow(found.findings.all(), many=True).data


class ImportAsked(s.Serializer[Any]):
    """A report to import."""

    file = s.FileField(help_text="garak report, Inspect log or promptfoo result")
    mitigation = s.CharField(required=False, default="", allow_blank=True, max_length=80)
    note = s.CharField(required=False, default="", allow_blank=True, max_length=2000)
    publish = s.BooleanField(required=False, default=False)


class Mapped(s.Serializer[Any]):
    """What one finding is about."""

    position = s.IntegerField(min_value=0)
    risk = s.CharField(max_length=80, allow_blank=True)
    mitigation = s.CharField(max_length=80, allow_blank=True, required=False, default="")


class ImportChange(s.Serializer[Any]):
    """What to change of an import; what is left out stays."""

    findings = Mapped(many=True, required=False)
    published = s.BooleanField(required=False)


def _curates(request: Request) -> bool:
    return bool(request.user.has_perm(RIGHT))


def _require(request: Request) -> None:
    owner(request)
    if not _curates(request):
        raise PermissionDenied("Your role does not allow you to import evidence.")


class Imports(Listing):
    """Reports of other tools, the newest first; ``POST`` imports one (multipart)."""

    serializer_class = ImportRow
    queryset = EvidenceImport.objects.none()
    parser_classes = (MultiPartParser,)
    order = ("-created_at", "-pk")

    def get_queryset(self) -> Any:
        """Published ones; curators see drafts too."""
        return queries.imports(drafts=_curates(self.request))

    @extend_schema(
        request={"multipart/form-data": ImportAsked},
        responses={201: ImportFull, 200: OpenApiResponse(ImportFull)},
    )
    def post(self, request: Request) -> Response:
        """Import a file (201), or give the import that has just this file (200)."""
        only_known(request, set())
        _require(request)
        asked = ImportAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        made, new = _store(request, asked.validated_data)
        return Response(_full(request, made.pk), status=201 if new else 200)


def _store(request: Request, asked: dict[str, Any]) -> tuple[EvidenceImport, bool]:
    file, by = asked.pop("file"), owner(request)
    if file.size > MOST_BYTES:
        raise ValidationError({"file": [f"Larger than {MOST_BYTES // 1024**2} MB."]})
    try:
        return storing.store(
            name=file.name, content=file.read(), by=by, known=queries.known(), **asked
        )
    except NotReadable as error:
        raise ValidationError({"file": [str(error)]}) from None
    except NotMapped as error:
        raise ValidationError({"mitigation": [str(error)]}) from None


def _full(request: Request, pk: int) -> Any:
    found = queries.one(pk, drafts=_curates(request))
    if found is None:
        raise NotFound("No import has this id.")
    return ImportFull(found, context={"request": request}).data


class ImportOne(GenericAPIView[Any]):
    """One import with its findings."""

    serializer_class = ImportFull
    queryset = EvidenceImport.objects.none()
    parser_classes = (PlainJSON,)

    def get(self, request: Request, pk: int) -> Response:
        """The import."""
        only_known(request, set())
        return Response(_full(request, pk))

    @extend_schema(request=ImportChange)
    def patch(self, request: Request, pk: int) -> Response:
        """Map findings by their position, publish or take back."""
        _require(request)
        asked = ImportChange(data=request.data)
        asked.is_valid(raise_exception=True)
        found = self._found(pk)
        given = asked.validated_data
        rows = given.get("findings", [])
        mapped = {row["position"]: (row["risk"], row["mitigation"]) for row in rows}
        try:
            storing.map_findings(found=found, mapped=mapped, known=queries.known())
        except NotMapped as error:
            raise ValidationError({"findings": [str(error)]}) from None
        if "published" in given:
            storing.set_published(found=found, published=given["published"])
        return Response(_full(request, pk))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Delete the import with its findings."""
        _require(request)
        storing.remove(found=self._found(pk))
        return Response(status=204)

    def _found(self, pk: int) -> EvidenceImport:
        found = queries.one(pk, drafts=True)
        if found is None:
            raise NotFound("No import has this id.")
        return found
