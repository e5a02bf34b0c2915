"""Releases, the log of every change, and the history of one row."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as s
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from kb.curation import released, released_lists
from taxonomy import history, releases
from taxonomy.models import Release
from taxonomy.operations import Missing, freeze
from taxonomy.operations.values import find, kind_of

from .base import Listing, One, only_known
from .edits import asked
from .paging import fixed_page
from .rows import ChangeRow, ReleaseFull, ReleaseRow


class ReleaseIn(s.Serializer[Any]):
    note = s.CharField(max_length=2000)


class Releases(Listing):
    """Immutable snapshots, newest first; POST freezes the present state."""

    queryset = Release.objects.defer("snapshot")
    serializer_class = ReleaseRow
    order = ("-number",)

    @extend_schema(request=ReleaseIn, responses={201: ReleaseRow})
    def post(self, request: Request) -> Response:
        """A new release."""
        body = ReleaseIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = asked(request, lambda: freeze(by=request.user, note=body.validated_data["note"]))
        return Response(ReleaseRow(made).data, status=201)


def release(number: int | str, whole: bool = True) -> Release:
    """A release, ``whole`` with its snapshot; raises NotFound, and ValidationError at no number."""
    if not str(number).isdecimal():
        raise ValidationError({"release": ["A release is a number."]})
    read = releases.release if whole else releases.without_snapshot
    found = read(int(number)) if len(str(number)) < 10 else None
    if found is None:
        raise NotFound(f"There is no release {str(number)[:20]}.")
    return found


class ReleaseOne(One):
    """A release with its whole snapshot."""

    serializer_class = ReleaseFull

    def found(self, name: str) -> Any:
        return release(name)


class PartOut(s.Serializer[Any]):
    """What differs in one part of two releases."""

    part = s.CharField()
    added = s.ListField(child=s.CharField())
    removed = s.ListField(child=s.CharField())
    changed = s.ListField(child=s.DictField())


class ReleaseDiff(GenericAPIView[Any]):
    """The difference from another release (``from``) to this one."""

    serializer_class = PartOut

    @extend_schema(
        parameters=[OpenApiParameter("from", int, required=True)], responses=PartOut(many=True)
    )
    def get(self, request: Request, number: int) -> Response:
        """Part by part; parts without a difference are left out."""
        only_known(request, {"from"})
        old = release(request.query_params.get("from", ""))
        parts = releases.diff(old, release(number))
        return Response(PartOut(parts, many=True).data)


class Manifest(GenericAPIView[Any]):
    """The hashes of a release's files."""

    serializer_class = s.Serializer

    @extend_schema(responses={200: {"type": "object"}})
    def get(self, request: Request, number: int) -> Response:
        """Digest, and sha256, bytes and rows of each file."""
        only_known(request, set())
        return Response(releases.manifest(release(number)))


def as_released(request: Request, kind: str, slug: str = "") -> Response | None:
    """The row (or the rows) of a kind as ``?release=`` had it; None where none is asked for."""
    number = request.query_params.get("release")
    if number is None:
        return None
    only_known(request, {"release", *(() if slug else released_lists.NARROWED.get(kind, ()))})
    found = release(number, whole=False)
    if not slug:
        try:
            rows = released_lists.rows(found, kind, request.query_params)
        except released_lists.Unknown as error:
            raise ValidationError({error.name: [str(error)]}) from None
        return Response({"release": found.number, **fixed_page(request, rows)})
    row = released.row(found, kind, slug)
    if row is None:
        raise NotFound(f"Release {found.number} has no {kind} {slug[:80]!r}.")
    return Response({"release": found.number, **row})


class Changes(Listing):
    """Every recorded change, newest first, narrowed by time, kind, person or change set."""

    serializer_class = ChangeRow
    known = {"since", "until", "what", "by", "changeset"}
    order = ("-pgh_created_at", "-pgh_id")

    @extend_schema(parameters=[OpenApiParameter(name, str) for name in sorted(known)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of changes."""
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        """The log; raises ValidationError where a value cannot be one."""
        asked_for = {name: self.request.query_params.get(name, "") for name in self.known}
        try:
            return history.log(**asked_for)
        except ValueError as error:
            raise ValidationError({"detail": [str(error)]}) from None


class EntryOut(s.Serializer[Any]):
    """One recorded state of a row."""

    id = s.IntegerField()
    at = s.DateTimeField()
    label = s.CharField()
    by = s.CharField(allow_blank=True)
    reason = s.CharField(allow_blank=True)
    changeset = s.IntegerField(allow_null=True)
    version = s.IntegerField(allow_null=True)
    values = s.DictField()


class History(GenericAPIView[Any]):
    """The history of one row, newest first."""

    serializer_class = EntryOut

    @extend_schema(responses=EntryOut(many=True))
    def get(self, request: Request, kind: str, key: str) -> Response:
        """Every recorded state. To restore one, PATCH the row with its values."""
        only_known(request, set())
        try:
            spec = kind_of(kind)
            row = find(spec, key)
        except Missing as error:
            raise NotFound(str(error)) from None
        return Response(EntryOut(history.of(spec, row.pk), many=True).data)
