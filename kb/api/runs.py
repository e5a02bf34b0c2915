"""Targets and runs: list, read, request, cancel."""

from __future__ import annotations

import uuid
from typing import Any

import django_filters as filters
from django.conf import settings
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers as s
from rest_framework.exceptions import APIException, NotAuthenticated, NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from evals import operations, queries
from evals.engine.params import BadParameter
from evals.engine.registry import UnknownName
from evals.models import Run, Target, Verdict

from .base import Listing, One, only_known
from .rows import RunFull, RunRow, TargetRow


class Full(APIException):
    """The queue takes no more at present."""

    status_code = 429


class RunFilter(filters.FilterSet):
    """Runs by what they measured and how they ended."""

    mitigation = filters.CharFilter()
    risk = filters.CharFilter()
    target = filters.CharFilter("target__slug")
    status = filters.ChoiceFilter(choices=Run.Status.choices)
    verdict = filters.ChoiceFilter(choices=Verdict.choices)

    class Meta:
        model = Run
        fields: tuple[str, ...] = ()


class RunAsked(s.Serializer[Any]):
    """A request for a run; what is left out takes the mitigation's default."""

    mitigation = s.CharField(max_length=80)
    risk = s.CharField(max_length=80, required=False, default="")
    target = s.CharField(max_length=80, required=False, default="")
    seed = s.IntegerField(min_value=0, max_value=2**31 - 1, required=False, default=0)
    params = s.DictField(required=False, default=dict)
    again = s.BooleanField(required=False, default=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """Refuse what is not asked for: nobody brings a specification or an address along."""
        if unknown := sorted(set(self.initial_data) - set(self.fields)):
            known = ", ".join(self.fields)
            raise ValidationError(
                {name[:80]: [f"Not part of a request. Known: {known}."] for name in unknown[:20]}
            )
        return given


class Targets(Listing):
    """What runs can attack."""

    queryset = Target.objects.filter(active=True)
    serializer_class = TargetRow
    order = ("name", "pk")


class Runs(Listing):
    """Runs, newest first; ``POST`` queues one."""

    queryset = queries.runs()
    serializer_class = RunRow
    filterset_class = RunFilter
    order = ("-created_at", "id")
    known = set(RunFilter.base_filters)

    def filter_queryset(self, queryset: Any) -> Any:
        """Runs as asked; raises ValidationError at an unknown status or verdict."""
        filterset = RunFilter(self.request.query_params, queryset=queryset)
        if not filterset.is_valid():
            raise ValidationError(filterset.errors)
        return filterset.qs

    @extend_schema(request=RunAsked, responses={202: RunRow, 200: OpenApiResponse(RunRow)})
    def post(self, request: Request) -> Response:
        """Queue a run (202), or give the one that measures just this (200)."""
        only_known(request, set())
        asked = RunAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        run, new = _request(request, asked.validated_data)
        row = RunRow(run, context=self.get_serializer_context())
        return Response(row.data, status=202 if new else 200, headers={"Location": row.data["url"]})


def _request(request: Request, asked: dict[str, Any]) -> tuple[Run, bool]:
    try:
        return operations.request_run(**asked, by=request.user)
    except UnknownName as error:
        raise ValidationError({"detail": [str(error)]}) from None
    except BadParameter as error:
        raise ValidationError({"params": [str(error)]}) from None
    except operations.TargetNotActive as error:
        raise ValidationError({"target": [str(error)]}) from None
    except operations.NotOffered as error:
        raise ValidationError({"mitigation": [str(error)]}) from None
    except operations.NotAllowed as error:
        raise NotAuthenticated(str(error)) from None
    except operations.QueueFull as error:
        raise Full(str(error)) from None


class RunOne(One):
    """A run with its whole record."""

    serializer_class = RunFull

    def found(self, name: str) -> Any:
        return queries.run(uuid.UUID(str(name)))


class Cancel(GenericAPIView[Any]):
    """Stops a queued or running run."""

    serializer_class = RunRow

    @extend_schema(request=None)
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """The run as it is then; one that had ended stays as it was."""
        if settings.RUNS == "signed-in" and not request.user.is_authenticated:
            raise NotAuthenticated("Only signed-in people may cancel a run here.")
        operations.cancel(run_id=pk)
        run = queries.run(pk)
        if run is None:
            raise NotFound("No run has this id.")
        return Response(self.get_serializer(run).data)
