"""Papers and search."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from kb.filters import PaperFilter
from kb.models import Paper
from kb.problems import TooLarge
from kb.queries import answers, papers
from kb.search import MAX_CHARACTERS, EmbedderError, EmbedderLoading, Mode

from . import serializers
from .base import Listing, One, only_known
from .changes import as_released

GROUPS = {
    "year": "year",
    "status": "status",
    "kind": "placements__kind",
    "risk": "placements__risk__slug",
}
LOADING_SECONDS = 5
FILTERS = set(PaperFilter.base_filters)
RELEASE = OpenApiParameter("release", int, description="As that release had it.")
PAPER_PARAMETERS = [
    RELEASE,
    OpenApiParameter("select", str, description="Only these fields, by commas."),
    OpenApiParameter("ordering", str, enum=list(papers.ORDERINGS)),
    OpenApiParameter("group_by", str, enum=list(GROUPS), description="Counts instead of rows."),
]
SEARCH_PARAMETERS = [
    OpenApiParameter("q", str, required=True, description="What is looked for."),
    OpenApiParameter("mode", str, enum=[mode.value for mode in Mode]),
    OpenApiParameter("limit", int, description="1 to 200, by default 20."),
]


class SearchUnavailable(APIException):
    """The embedding model cannot be used; keyword search still works."""

    status_code = 503
    hint = "Use mode=keyword meanwhile."

    def __init__(self, detail: str, wait: int | None = None) -> None:
        super().__init__(detail)
        if wait is not None:
            self.wait = wait  # becomes Retry-After


def narrowed(request: Request, queryset: QuerySet[Paper]) -> PaperFilter:
    """The paper filter of a request; raises ValidationError at unknown values."""
    filterset = PaperFilter(request.query_params, queryset=queryset)
    if not filterset.is_valid():
        raise ValidationError(filterset.errors)
    return filterset


class Papers(Listing):
    """Papers by place and by facts; ``group_by`` gives counts."""

    queryset = papers.papers()
    serializer_class = serializers.PaperRow
    filterset_class = PaperFilter
    known = {*FILTERS, "select", "ordering", "group_by", "q"}

    @extend_schema(parameters=PAPER_PARAMETERS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of papers, or counts."""
        if answer := as_released(request, "paper"):
            return answer
        group = request.query_params.get("group_by")
        if group is None:
            return super().get(request, *args, **kwargs)
        only_known(request, self.known)
        return Response({"group_by": group, "groups": self._groups(group)})

    def filter_queryset(self, queryset: QuerySet[Paper]) -> QuerySet[Paper]:
        """Papers that fulfil the filter and, with ``q``, hold one of its words."""
        found = narrowed(self.request, queryset).qs
        text = self.request.query_params.get("q", "")
        return papers.with_words(found, text) if text else found

    def cursor_ordering(self, request: Request) -> tuple[str, ...]:
        """By ``ordering``, newest first by default."""
        return _choice(request, "ordering", papers.ORDERINGS, "newest")

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Rows with the selected fields."""
        asked = self.request.query_params.get("select") if self.request else None
        select = asked.split(",") if asked else None
        unknown = set(select or []) - set(serializers.PaperRow.Meta.fields)
        if unknown:
            known = ", ".join(serializers.PaperRow.Meta.fields)
            raise ValidationError({"select": [f"No field {min(unknown)[:80]!r}. Known: {known}."]})
        return super().get_serializer(*args, select=select, **kwargs)

    def _groups(self, group: str) -> list[dict[str, Any]]:
        column = _choice(self.request, "group_by", GROUPS, group)
        rows = self.filter_queryset(Paper.objects.order_by()).values(column)
        counted = rows.annotate(count=Count("pk", distinct=True)).order_by("-count", column)
        return [{"key": row[column], "count": row["count"]} for row in counted[:200]]


def _choice(request: Request, name: str, known: dict[str, Any], default: str) -> Any:
    """The value of a parameter out of a few; raises ValidationError."""
    asked = request.query_params.get(name, default)
    if asked not in known:
        raise ValidationError({name: [f"Not {asked[:80]!r}. One of: {', '.join(known)}."]})
    return known[asked]


class PaperOne(One):
    """One paper, with its abstract where it has been harvested, or as a release had it."""

    serializer_class = serializers.PaperFull

    @extend_schema(parameters=[RELEASE])
    def get(self, request: Request, **names: Any) -> Response:
        """The paper."""
        return as_released(request, "paper", str(names["key"])) or super().get(request, **names)

    def found(self, name: str) -> Any:
        return papers.paper(name) or papers.moved_to(name)


class Similar(GenericAPIView[Any]):
    """The papers nearest in meaning to one."""

    serializer_class = serializers.SimilarPaper

    @extend_schema(parameters=[OpenApiParameter("limit", int, description="1 to 50.")])
    def get(self, request: Request, key: str) -> Response:
        """Rows with their cosine similarity, nearest first."""
        only_known(request, {"limit"})
        paper = papers.paper(key)
        if paper is None:
            raise NotFound(f"No paper has the key {key[:80]!r}.")
        near = papers.similar(paper, whole(request, "limit", 10, 50))
        return Response({"results": self.get_serializer(near, many=True).data})


class Search(GenericAPIView[Any]):
    """Search by meaning and words, with the paper filter."""

    serializer_class = serializers.AnswerFull

    @extend_schema(parameters=SEARCH_PARAMETERS, filters=True)
    def get(self, request: Request) -> Response:
        """The papers that answer ``q``."""
        only_known(request, FILTERS | {"q", "mode", "limit"})
        return self._answer(request, request.query_params.get("q", ""))

    @extend_schema(request=serializers.SearchAsked, filters=True)
    def post(self, request: Request) -> Response:
        """The papers that answer a longer text, such as an abstract."""
        only_known(request, FILTERS | {"mode", "limit"})
        asked = serializers.SearchAsked(data=request.data)
        if len(str(request.data)) > 4 * MAX_CHARACTERS:
            raise TooLarge("The text is longer than 20,000 characters.")
        asked.is_valid(raise_exception=True)
        return self._answer(request, asked.validated_data["text"])

    def _answer(self, request: Request, text: str) -> Response:
        if not text.strip():
            raise ValidationError({"q": ["Say what you look for."]})
        if len(text) > MAX_CHARACTERS:
            raise TooLarge("The text is longer than 20,000 characters.")
        modes = {mode.value: mode for mode in Mode}
        mode = _choice(request, "mode", modes, Mode.HYBRID.value)
        limit = whole(request, "limit", 20, 200)
        try:
            filterset = narrowed(request, Paper.objects.all())
            found = answers.answer(text, filterset, mode, limit, placed=False)
        except EmbedderLoading as error:
            raise SearchUnavailable(str(error), wait=LOADING_SECONDS) from None
        except EmbedderError as error:
            raise SearchUnavailable(str(error)) from None
        return Response(self.get_serializer(found).data)


def whole(request: Request, name: str, default: int, most: int) -> int:
    """A whole number from 1 to ``most``; raises ValidationError."""
    asked = request.query_params.get(name, str(default))
    if not asked.isdecimal() or not 1 <= int(asked[:9]) <= most:
        raise ValidationError({name: [f"Give a whole number from 1 to {most}."]})
    return int(asked)
