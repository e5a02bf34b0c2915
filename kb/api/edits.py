"""Writing by REST: what a curator does on a page, under the same rules.

A write that changes a row says with ``If-Match`` which version it is about: 428 where it
says nothing, 412 where the row has moved on, with both texts. ``?dry_run=true`` shows what
would change; ``changeset`` in the body puts the edit into a set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers as s
from rest_framework.exceptions import (
    APIException,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    ValidationError,
)
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from kb.curation.requests import carry_out
from taxonomy.models import ChangeItem
from taxonomy.operations import (
    Action,
    Conflict,
    Invalid,
    Missing,
    NotAllowed,
    Result,
    RevertConflict,
    WrongState,
)
from taxonomy.operations.values import encoded, find, kind_of

from .base import only_known

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag that was read, or *."
)
DRY_RUN = OpenApiParameter("dry_run", bool, description="Show what would change; write nothing.")
TAG = re.compile(r'"(\d{1,9})-[0-9a-f]+"')


class Stale(APIException):
    """The row was changed meanwhile; carries both texts."""

    status_code = 412
    hint = "Read it again, put the two texts together, and send that with the new ETag."

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(str(conflict))
        self.more = {
            "version": conflict.version,
            "fields": {
                c.field: {"base": c.base, "theirs": c.theirs, "yours": c.yours}
                for c in conflict.fields
            },
        }


class NeedsMatch(APIException):
    """A write without If-Match."""

    status_code = 428
    default_detail = "Say with If-Match which version you read, so that nobody's work is lost."
    hint = "GET the row and send its ETag as If-Match."


class NotNow(APIException):
    """The state of things does not allow it."""

    status_code = 409

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.hint = "Look at its present state first."
        if isinstance(error, RevertConflict):
            self.hint = "Decide each by its name in choices: back or keep."
            self.more = {"stuck": [vars(one) for one in error.stuck]}


def asked(request: Request, work: Callable[[], Any]) -> Any:
    """Do the work; what curation refuses becomes a problem."""
    if not request.user.is_authenticated:
        raise NotAuthenticated("Sign in, or send a token.")
    try:
        return work()
    except NotAllowed as error:
        raise PermissionDenied(str(error)) from None
    except Missing as error:
        raise NotFound(str(error)) from None
    except Invalid as error:
        raise ValidationError(error.errors) from None
    except Conflict as error:
        raise Stale(error) from None
    except (WrongState, RevertConflict) as error:
        raise NotNow(error) from None


def etag(version: int, data: Any) -> str:
    """A strong tag whose part before the hyphen is the row's version."""
    text = json.dumps(data, sort_keys=True, default=str)
    return f'"{version}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


def expected(request: Request, row: Any) -> int:
    """The version that If-Match speaks of; raises NeedsMatch."""
    tag = request.headers.get("If-Match")
    if tag is None:
        raise NeedsMatch()
    if tag.strip() == "*":
        return int(row.version)
    found = TAG.fullmatch(tag.strip())
    if found is None:
        raise ValidationError({"If-Match": ['Send the ETag as it came, such as "3-0f…".']})
    return int(found.group(1))


class ChangeOut(s.Serializer[Any]):
    """One row that was or would be written."""

    kind = s.CharField()
    id = s.IntegerField()
    key = s.CharField()
    label = s.CharField()
    action = s.CharField()
    before = s.DictField()
    after = s.DictField()


class CountOut(s.Serializer[Any]):
    """Papers under a risk or category, before and after."""

    kind = s.CharField()
    key = s.CharField()
    before = s.IntegerField()
    after = s.IntegerField()


class ResultOut(s.Serializer[Any]):
    """What an edit wrote, would write, or where it waits."""

    dry_run = s.BooleanField()
    changeset = s.IntegerField(allow_null=True)
    item = s.IntegerField(allow_null=True)
    changes = ChangeOut(many=True)
    counts = CountOut(many=True)


class EditIn(s.Serializer[Any]):
    """Fields to set, why, and the change set it goes into, if any (``new`` begins one)."""

    fields_ = s.DictField(source="given", required=False)
    note = s.CharField(required=False, allow_blank=True, max_length=2000, default="")
    changeset = s.CharField(required=False, allow_blank=True, max_length=20, default="")

    def get_fields(self) -> dict[str, Any]:
        """The name ``fields`` is taken by the library, so it is put in here."""
        found = super().get_fields()
        return {"fields": found["fields_"], "note": found["note"], "changeset": found["changeset"]}


class Writing(GenericAPIView[Any]):
    """What every write shares."""

    serializer_class = EditIn
    kind = ""

    def carry(self, request: Request, op: str, key: str, needs_match: bool = True) -> Response:
        """Read the body, carry the edit out, answer with what it did."""
        only_known(request, {"dry_run"})
        body = EditIn(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        dry = request.query_params.get("dry_run", "").lower() in {"1", "true"}

        def work() -> Any:
            version = None
            if needs_match:
                version = expected(request, find(kind_of(self.kind), key))
            action = Action(op, self.kind, key, given.get("given", {}), version)
            into = given["changeset"]
            return carry_out(action, by=request.user, note=given["note"], into=into, dry_run=dry)

        return outcome(asked(request, work), dry)


def outcome(done: Result | ChangeItem, dry_run: bool = False) -> Response:
    """200 for what was done or tried, 202 for what waits in a change set."""
    if isinstance(done, ChangeItem):
        found = {"dry_run": False, "changeset": done.changeset_id, "item": done.position}
        return Response({**found, "changes": [], "counts": []}, status=202)
    data = {
        "dry_run": dry_run,
        "changeset": done.changeset.pk if done.changeset else None,
        "item": 1 if done.changeset else None,
        "changes": [change.to_dict() for change in done.changes],
        "counts": [vars(count) for count in done.counts],
    }
    return Response(data)


ANSWERS = {200: ResultOut, 202: OpenApiResponse(ResultOut)}


class RowOut(s.Serializer[Any]):
    """A row as curation sees it: every field by its plain value."""

    kind = s.CharField()
    key = s.CharField()
    version = s.IntegerField(allow_null=True)
    fields_ = s.DictField(source="given")

    def get_fields(self) -> dict[str, Any]:
        """See EditIn."""
        found = super().get_fields()
        plain = {name: found[name] for name in ("kind", "key", "version")}
        return {**plain, "fields": found["fields_"]}


class Row(Writing):
    """One row to be curated: read it with its ETag, change it, remove it."""

    @extend_schema(responses=RowOut)
    def get(self, request: Request, key: str) -> Response:
        """The row's plain values, and the ETag that a write has to send."""
        only_known(request, set())
        try:
            kind = kind_of(self.kind)
            row = find(kind, key)
        except Missing as error:
            raise NotFound(str(error)) from None
        given = encoded(row, kind.fields)
        data = {"kind": self.kind, "key": key, "version": row.version, "given": given}
        return Response(RowOut(data).data, headers={"ETag": etag(row.version, given)})

    @extend_schema(parameters=[IF_MATCH, DRY_RUN], request=EditIn, responses=ANSWERS)
    def patch(self, request: Request, key: str) -> Response:
        """Set fields."""
        return self.carry(request, "edit", key)

    @extend_schema(parameters=[IF_MATCH, DRY_RUN], request=EditIn, responses=ANSWERS)
    def delete(self, request: Request, key: str) -> Response:
        """Remove a placement, an answer or a mapping."""
        return self.carry(request, "delete", key)


class New(Writing):
    """Making a row."""

    @extend_schema(parameters=[DRY_RUN], request=EditIn, responses=ANSWERS)
    def post(self, request: Request) -> Response:
        """Make a row of this kind."""
        return self.carry(request, "create", "", needs_match=False)


class Act(Writing):
    """A structural edit of one row: move, merge, split, retire, restore."""

    op = ""

    @extend_schema(parameters=[IF_MATCH, DRY_RUN], request=EditIn, responses=ANSWERS)
    def post(self, request: Request, key: str) -> Response:
        """Carry it out."""
        return self.carry(request, self.op, key)


class Bulk(Writing):
    """Many placements at once."""

    kind = "placement"

    @extend_schema(parameters=[DRY_RUN], request=EditIn, responses=ANSWERS)
    def post(self, request: Request) -> Response:
        """``fields``: ``select`` with ``set`` or ``remove``; or ``add``. Dry runs have counts."""
        return self.carry(request, "bulk", "", needs_match=False)
