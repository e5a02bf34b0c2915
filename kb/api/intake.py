"""Getting papers in by REST: send a file, read its rows, choose, confirm."""

from __future__ import annotations

import io
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from kb.harvest.files import FORMATS
from kb.imports import operations, writing
from kb.imports.models import ImportRow, PaperImport
from taxonomy.operations.actions import require

from .base import Listing, only_known
from .edits import asked
from .parsing import PlainJSON


class PaperImportIn(s.Serializer[Any]):
    """A ``file`` (multipart), or its ``text`` (JSON); the format is told from it if left out."""

    file = s.FileField(required=False)
    text = s.CharField(required=False, trim_whitespace=False)
    name = s.CharField(required=False, max_length=200, default="")
    format = s.ChoiceField(required=False, choices=list(FORMATS), default="")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of the two."""
        if bool(given.get("file")) == bool(given.get("text")):
            raise ValidationError({"file": ["Send a file, or its text."]})
        return given


class PaperImportOut(s.ModelSerializer[PaperImport]):
    """An import: how many rows are what, and what confirming would do."""

    changeset = s.IntegerField(source="changeset_id", allow_null=True)
    counts = s.SerializerMethodField()
    planned = s.SerializerMethodField()

    class Meta:
        model = PaperImport
        fields = (
            "id",
            "name",
            "format",
            "state",
            "created_at",
            "changeset",
            "note",
            "counts",
            "planned",
        )

    def get_counts(self, found: PaperImport) -> dict[str, int]:
        return operations.counts(found)

    def get_planned(self, found: PaperImport) -> dict[str, int]:
        return operations.planned(found)


class PaperImportListed(s.ModelSerializer[PaperImport]):
    changeset = s.IntegerField(source="changeset_id", allow_null=True)

    class Meta:
        model = PaperImport
        fields = ("id", "name", "format", "state", "created_at", "changeset", "note")


class PaperImportRowOut(s.ModelSerializer[ImportRow]):
    """One row: what it says, what it was found to be, what is done with it."""

    paper = s.CharField(source="paper.key", allow_null=True, default=None)
    record = s.DictField()

    class Meta:
        model = ImportRow
        fields = (
            "number",
            "status",
            "choice",
            "reason",
            "paper",
            "same_row",
            "similarity",
            "examined",
            "record",
        )


class ImportChoicesIn(s.Serializer[Any]):
    """Row numbers, each with add, fill or skip."""

    choices = s.DictField(child=s.ChoiceField(choices=ImportRow.Choice.choices))

    def validate_choices(self, given: dict[str, str]) -> dict[int, str]:
        """Numbers of rows."""
        if not all(name.isdecimal() and len(name) < 10 for name in given):
            raise ValidationError("Name rows by their numbers.")
        return {int(name): value for name, value in given.items()}


class ImportConfirmIn(s.Serializer[Any]):
    """Why; ``unexamined`` does not wait for rows that are still being compared."""

    note = s.CharField(required=False, allow_blank=True, default="", max_length=2000)
    unexamined = s.BooleanField(required=False, default=False)


class Imports(Listing):
    """One's own imports, newest first; POST makes the preview of a file."""

    serializer_class = PaperImportListed
    queryset = PaperImport.objects.all()
    parser_classes = [MultiPartParser, PlainJSON]
    order = ("-id",)

    def filter_queryset(self, queryset: Any) -> Any:
        """Those of whoever asks."""
        by = self.request.user
        asked(self.request, lambda: require(by, "edit_live"))
        return queryset.filter(by=by)

    @extend_schema(request=PaperImportIn, responses={201: PaperImportOut})
    def post(self, request: Request) -> Response:
        """Read a file; nothing is written but the preview."""
        only_known(request, set())
        asked(request, lambda: require(request.user, "edit_live"))
        body = PaperImportIn(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        file = given.get("file")
        stream = file.file if file else io.BytesIO(given["text"].encode("utf-8", "replace"))
        made = asked(
            request,
            lambda: operations.stage(
                stream=stream,
                name=given["name"] or getattr(file, "name", "") or "sent text",
                by=request.user,
                form=given["format"],
            ),
        )
        return Response(PaperImportOut(made).data, status=201)


def _found(request: Request, pk: int) -> PaperImport:
    one: PaperImport = asked(request, lambda: operations.found(pk, request.user))
    return one


class ImportOne(GenericAPIView[Any]):
    """One import."""

    serializer_class = PaperImportOut

    def get(self, request: Request, pk: int) -> Response:
        """Its state and counts."""
        only_known(request, set())
        return Response(PaperImportOut(_found(request, pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Forget a preview."""
        found = _found(request, pk)
        asked(request, lambda: operations.drop(batch=found, by=request.user))
        return Response(status=204)


class Rows(Listing):
    """The rows of an import, in the order of the file; ``status`` narrows."""

    serializer_class = PaperImportRowOut
    queryset = ImportRow.objects.none()
    order = ("number",)
    known = {"status"}

    @extend_schema(
        operation_id="paper_imports_rows_list",
        parameters=[OpenApiParameter("status", str, enum=ImportRow.Status.values)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of rows."""
        return super().get(request, *args, **kwargs)

    def filter_queryset(self, queryset: Any) -> Any:
        """The rows of one's own import."""
        status = self.request.query_params.get("status", "")
        if status and status not in ImportRow.Status.values:
            known = ", ".join(ImportRow.Status.values)
            raise ValidationError({"status": [f"Not {status[:40]!r}. One of: {known}."]})
        return operations.rows_of(_found(self.request, self.kwargs["pk"]), status)


class Choices(GenericAPIView[Any]):
    """What is done with single rows."""

    serializer_class = ImportChoicesIn

    @extend_schema(request=ImportChoicesIn, responses=PaperImportOut)
    def post(self, request: Request, pk: int) -> Response:
        """Choose; the import as it is then."""
        found = _found(request, pk)
        body = ImportChoicesIn(data=request.data)
        body.is_valid(raise_exception=True)
        chosen = body.validated_data["choices"]
        asked(request, lambda: operations.choose(batch=found, by=request.user, choices=chosen))
        return Response(PaperImportOut(found).data)


class Confirm(GenericAPIView[Any]):
    """The one write of an import."""

    serializer_class = ImportConfirmIn

    @extend_schema(request=ImportConfirmIn, responses=PaperImportOut)
    def post(self, request: Request, pk: int) -> Response:
        """Write everything or nothing; 409 while rows are still being compared."""
        found = _found(request, pk)
        body = ImportConfirmIn(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        asked(request, lambda: writing.confirm(batch=found, by=request.user, **given))
        return Response(PaperImportOut(_found(request, pk)).data)
