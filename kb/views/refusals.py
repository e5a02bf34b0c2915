"""What curation refuses, as a page: no right, no such row, not now."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from taxonomy.operations import Conflict, Invalid, Missing, NotAllowed, RevertConflict, WrongState

View = Callable[..., HttpResponse]
STATUS: dict[type[Exception], int] = {
    NotAllowed: 403,
    Invalid: 400,
    WrongState: 409,
    Conflict: 409,
    RevertConflict: 409,
}


def refused(view: View) -> View:
    """Answer for a view whose operation refuses; its own handling comes first."""

    @functools.wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Missing as error:
            raise Http404(str(error)) from None
        except tuple(STATUS) as error:
            status = STATUS[type(error)]
            context = {"said": str(error), "forbidden": status == STATUS[NotAllowed]}
            return render(request, "curate/refused.html", context, status=status)

    return asked
