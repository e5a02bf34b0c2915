"""Stages, categories, risks, mitigations, frameworks, directions, coverage."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from kb.queries import coverage, lifecycle, mitigations
from taxonomy.models import Category, Status

from . import serializers
from .base import Listing, One, only_known
from .changes import as_released

RELEASE = extend_schema(
    parameters=[OpenApiParameter("release", int, description="As that release had it.")]
)


class ReleasedListing(Listing):
    """A list, or with ``release`` all the rows that a release had."""

    kind = ""

    @RELEASE
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of rows."""
        return as_released(request, self.kind) or super().get(request, *args, **kwargs)


class ReleasedOne(One):
    """One row, or with ``release`` the row as a release had it."""

    kind = ""

    @RELEASE
    def get(self, request: Request, **names: Any) -> Response:
        """The row."""
        name = str(next(iter(names.values())))
        return as_released(request, self.kind, name) or super().get(request, **names)


class Stages(ReleasedListing):
    """The lifecycle stages in order."""

    kind = "stage"
    queryset = lifecycle.stages()
    serializer_class = serializers.StageRow
    order = ("position",)


class StageOne(ReleasedOne):
    """One stage."""

    kind = "stage"
    serializer_class = serializers.StageRow

    def found(self, name: str) -> Any:
        return lifecycle.stages().filter(slug=name).first()


class Categories(ReleasedListing):
    """The survey's outline and our additions, in reading order."""

    kind = "category"
    queryset = Category.objects.select_related("stage", "parent").filter(status=Status.ACTIVE)
    serializer_class = serializers.CategoryRow
    order = ("position", "pk")


class CategoryOne(ReleasedOne):
    """One category."""

    kind = "category"
    serializer_class = serializers.CategoryRow

    def found(self, name: str) -> Any:
        return Category.objects.select_related("stage", "parent").filter(slug=name).first()


class Risks(ReleasedListing):
    """Active risks with how much is known and answered."""

    kind = "risk"
    queryset = lifecycle.risks()
    serializer_class = serializers.RiskRow
    order = ("name", "pk")


class RiskOne(ReleasedOne):
    """A risk with its mitigations, papers and mappings."""

    kind = "risk"
    serializer_class = serializers.RiskFull

    def found(self, name: str) -> Any:
        try:
            return lifecycle.risk_page(name)
        except lifecycle.Merged as moved:  # the answer names the risk it is about
            return lifecycle.risk_page(moved.heir.slug)


class Mitigations(ReleasedListing):
    """Active mitigations."""

    kind = "mitigation"
    queryset = mitigations.mitigations()
    serializer_class = serializers.MitigationRow
    order = ("name", "pk")


class MitigationOne(ReleasedOne):
    """A mitigation with its claims, papers, parameters and runs."""

    kind = "mitigation"
    serializer_class = serializers.MitigationFull

    def found(self, name: str) -> Any:
        page = mitigations.mitigation_page(name)
        if page is None:
            return None
        found, engine = page["mitigation"], page["engine"]
        found.claims = page["answers"]
        found.papers = [paper.key for paper in page["papers"]]
        found.runs = page["runs"]
        found.params = [param.describe() for param in engine.params] if engine else []
        found.effort = page["effort"]
        found.targets = list(engine.targets) if engine else []
        return found


class Frameworks(Listing):
    """The frameworks that our risks are mapped to."""

    queryset = lifecycle.frameworks()
    serializer_class = serializers.FrameworkRow
    order = ("name", "pk")


class FrameworkOne(One):
    """A framework's entries, each with the risks mapped to it."""

    serializer_class = serializers.FrameworkFull

    def found(self, name: str) -> Any:
        return lifecycle.framework_page(name)


class Directions(ReleasedListing):
    """Research directions that the survey names."""

    kind = "direction"
    queryset = lifecycle.directions().prefetch_related("risks")
    serializer_class = serializers.DirectionRow
    order = ("position", "pk")


class DirectionOne(ReleasedOne):
    """One research direction."""

    kind = "direction"
    serializer_class = serializers.DirectionRow

    def found(self, name: str) -> Any:
        return lifecycle.direction(name)


class Coverage(GenericAPIView[Any]):
    """What is answered, runs and was measured: by risk, by stage, and in all."""

    serializer_class = serializers.CoverageFull

    def get(self, request: Request) -> Response:
        """Rows and totals."""
        only_known(request, set())
        return Response(self.get_serializer(coverage.coverage()).data)
