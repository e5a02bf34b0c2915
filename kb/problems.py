"""Errors of the API as problem details (RFC 9457), each with a hint that says what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

TYPE = "application/problem+json"
HINTS = {
    400: "Correct the named values and send the request again.",
    401: "Sign in, or send a token.",
    403: "Ask an administrator for the right, or sign in as someone who has it.",
    404: "Check the address; /api/v1/ lists the collections.",
    405: "See /api/v1/docs/ for the methods of this address.",
    406: "Ask for application/json.",
    409: "Look at its present state first.",
    412: "Read it again, and send your change with the new ETag.",
    413: "Send less.",
    415: "Send application/json.",
    428: "Send If-Match with the ETag that you read.",
    429: "Wait, then try again.",
    503: "Try again in a few seconds.",
}


class Down(exceptions.APIException):
    """The database cannot be reached."""

    status_code = 503
    default_detail = "The database does not answer."
    wait = 10


class TooLarge(exceptions.APIException):
    """A request that is larger than this service reads."""

    status_code = 413
    default_detail = "The request is too large."
    default_code = "too_large"


def body(status: int, title: str, hint: str = "", **more: Any) -> dict[str, Any]:
    """The fields of a problem: type, title, status, hint, and any ``more``."""
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "hint": hint or HINTS.get(status, ""),
        **more,
    }


def response(status: int, title: str, hint: str = "", **more: Any) -> JsonResponse:
    """A problem outside of the REST framework."""
    return JsonResponse(body(status, title, hint, **more), status=status, content_type=TYPE)


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception of a REST view into a problem; None leaves it to Django."""
    known = _known(error)
    if known is None:
        return None
    set_rollback()
    answer = Response(_problem(known), status=known.status_code, content_type=TYPE)
    if wait := getattr(known, "wait", None):
        answer["Retry-After"] = str(int(wait))
    if challenge := getattr(known, "auth_header", None):
        answer["WWW-Authenticate"] = challenge
    return answer


def _known(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound(str(error) or None)
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if isinstance(error, OperationalError | InterfaceError):
        return Down()
    return None


def _problem(error: exceptions.APIException) -> dict[str, Any]:
    title = HTTPStatus(error.status_code).phrase
    hint = getattr(error, "hint", "")
    if isinstance(error, exceptions.ValidationError):
        return body(error.status_code, "Some values are not valid", hint, errors=error.detail)
    more = getattr(error, "more", {})
    return body(error.status_code, title, hint, detail=str(error.detail), **more)


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """An unknown address under /api/."""
    return response(404, "Not found", detail=f"Nothing is at {request.path}.")
