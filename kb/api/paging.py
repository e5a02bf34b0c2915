"""Cursor paging with a count: a page stays right while rows are added."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoError
from django.db import DataError
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

MAX_PAGE_SIZE = 200
NO_PLACE = "This is no place in the list. Take the cursor from next or previous."


def fixed_page(request: Request, rows: list[Any]) -> dict[str, Any]:
    """A page of rows that never change, in the shape of every list; the cursor is a place.

    Raises ValidationError at an absurd size or a place that is none.
    """
    size, cursor = Cursor().get_page_size(request), request.query_params.get("cursor", "0")
    if not (cursor.isascii() and cursor.isdecimal() and int(cursor[:9]) <= len(rows)):
        raise ValidationError({"cursor": [NO_PLACE]})
    first = int(cursor)

    def at(place: int) -> str:
        return replace_query_param(request.build_absolute_uri(), "cursor", place)

    return {
        "count": len(rows),
        "next": at(first + size) if first + size < len(rows) else None,
        "previous": at(max(0, first - size)) if first else None,
        "results": rows[first : first + size],
    }


class Cursor(CursorPagination):
    """``{count, next, previous, results}``; ``page_size`` up to 200, default 50."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE
    ordering = ("pk",)

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> Any:
        """One page of rows; raises ValidationError at an absurd size or a made-up cursor."""
        self.count = queryset.order_by().count()
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, DjangoError, DataError):  # a place that no row can be at
            raise ValidationError({"cursor": [NO_PLACE]}) from None

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        """The view's own order, which ends in a unique field."""
        return tuple(view.cursor_ordering(request))

    def get_page_size(self, request: Request) -> int:
        """The asked size; raises ValidationError outside 1 to 200."""
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        if not asked.isdecimal() or not 1 <= int(asked[:9]) <= MAX_PAGE_SIZE:
            raise ValidationError(
                {"page_size": [f"Give a whole number from 1 to {MAX_PAGE_SIZE}."]}
            )
        return int(asked)

    def get_paginated_response(self, data: Any) -> Response:
        """The page with its neighbours."""
        links = {"next": self.get_next_link(), "previous": self.get_previous_link()}
        return Response({"count": self.count, **links, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The page in OpenAPI."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": {"type": "integer"},
                "next": link,
                "previous": link,
                "results": schema,
            },
        }
