"""What every API view shares: paging, filtering, refusing what is not known."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from .paging import Cursor

ALWAYS = {"cursor", "page_size", "format"}


def only_known(request: Request, known: set[str]) -> None:
    """Raise ValidationError at a parameter that this address does not have."""
    for name in request.query_params:
        if name not in known | ALWAYS:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(sorted(known))}."
            raise ValidationError({name[:80]: [f"This address has no such parameter.{hint}"]})


class Listing(ListModelMixin, GenericAPIView[Any]):
    """A paged list: subclasses say queryset, serializer_class and order."""

    pagination_class = Cursor
    order: tuple[str, ...] = ("pk",)
    known: set[str] = set()

    def cursor_ordering(self, request: Request) -> tuple[str, ...]:
        """The fields that order the list; the last is unique."""
        return self.order

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of rows."""
        only_known(request, self.known)
        return self.list(request, *args, **kwargs)


class One(GenericAPIView[Any]):
    """One row, or 404."""

    known: set[str] = set()

    def found(self, name: str) -> Any:
        """The row called ``name``, or None."""
        raise NotImplementedError

    def get(self, request: Request, **names: Any) -> Response:
        """The row."""
        only_known(request, self.known)
        name = str(next(iter(names.values())))
        row = self.found(name)
        if row is None:
            raise NotFound(f"Nothing here is called {name[:80]!r}.")
        return Response(self.get_serializer(row).data)
