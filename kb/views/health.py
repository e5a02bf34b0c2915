"""Whether this process lives, and whether it can answer."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from kb import problems, search


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Database and search answer; 503 with the reason where one does not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return JsonResponse({"status": "ready", "search": search.status()})
    except (OperationalError, InterfaceError):
        return problems.response(503, "Not ready", detail="The database does not answer.")
    except search.EmbedderError as error:
        return problems.response(503, "Not ready", detail=str(error))
