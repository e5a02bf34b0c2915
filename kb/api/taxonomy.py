"""Stages, categories, risks, mitigations, frameworks, directions, coverage."""

from __future__ import annotations

from typing import Any

from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from kb.queries import lifecycle, mitigations
from taxonomy.models import Category

from . import serializers
from .base import Listing, One, only_known


class Stages(Listing):
    """The lifecycle stages in order."""

    queryset = lifecycle.stages()
    serializer_class = serializers.StageRow
    order = ("position",)


class StageOne(One):
    """One stage."""

    serializer_class = serializers.StageRow

    def found(self, name: str) -> Any:
        return lifecycle.stages().filter(slug=name).first()


class Categories(Listing):
    """The survey's outline and our additions, in reading order."""

    queryset = Category.objects.select_related("stage", "parent")
    serializer_class = serializers.CategoryRow
    order = ("position", "pk")


class CategoryOne(One):
    """One category."""

    serializer_class = serializers.CategoryRow

    def found(self, name: str) -> Any:
        return Category.objects.select_related("stage", "parent").filter(slug=name).first()


class Risks(Listing):
    """Active risks with how much is known and answered."""

    queryset = lifecycle.risks()
    serializer_class = serializers.RiskRow
    order = ("name", "pk")


class RiskOne(One):
    """A risk with its mitigations, papers and mappings."""

    serializer_class = serializers.RiskFull

    def found(self, name: str) -> Any:
        return lifecycle.risk_page(name)


class Mitigations(Listing):
    """Active mitigations."""

    queryset = mitigations.mitigations()
    serializer_class = serializers.MitigationRow
    order = ("name", "pk")


class MitigationOne(One):
    """A mitigation with its claims, papers, parameters and runs."""

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


class Directions(Listing):
    """Research directions that the survey names."""

    queryset = lifecycle.directions().prefetch_related("risks")
    serializer_class = serializers.DirectionRow
    order = ("position", "pk")


class Coverage(GenericAPIView[Any]):
    """For every risk the counts of papers, mitigations, runnable and measured ones."""

    serializer_class = serializers.CoverageFull

    def get(self, request: Request) -> Response:
        """Rows and totals."""
        only_known(request, set())
        return Response(self.get_serializer(mitigations.coverage()).data)
