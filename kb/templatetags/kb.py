"""Template filters and tags used on many pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.http import QueryDict
from django.utils.html import escape
from django.utils.safestring import mark_safe

from evals.engine import registry

register = template.Library()
TIED = "\u00a0"  # a space at which no line breaks


@register.filter
def percent(value: float | None, digits: int = 0) -> str:
    """A share as per cent: 0.083 gives ``8 %``; nothing gives an en dash."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """The present query string with some values changed; None or '' drops one.

    ``cursor`` and ``page`` are dropped, since they belong to the old question.
    """
    params: QueryDict = context["request"].GET.copy()
    for name in ("page", "cursor"):
        params.pop(name, None)
    for name, value in changes.items():
        params.pop(name, None)
        if value not in (None, ""):
            params[name] = str(value)
    return "?" + params.urlencode()


@register.simple_tag(takes_context=True)
def current(context: dict[str, Any], name: str) -> str:
    """``aria-current`` where the page of that name is shown."""
    match = context["request"].resolver_match if "request" in context else None
    return mark_safe('aria-current="page"') if match and match.view_name == name else ""


@register.filter
def shorten_authors(authors: list[str], most: int = 4) -> str:
    """The first few names; ``et al.`` stands for the rest."""
    shown = ", ".join(authors[:most])
    return f"{shown} et al." if len(authors) > most and "et al." not in shown else shown


@register.filter
def lookup(values: dict[str, Any], name: str) -> Any:
    """A value by a name that a template's dots cannot spell."""
    return values.get(name)


@register.filter
def marked(pieces: list[tuple[str, bool]]) -> str:
    """A sentence given as (piece, whether it matched), its matched words marked."""
    parts = (f"<mark>{escape(piece)}</mark>" if hit else escape(piece) for piece, hit in pieces)
    return mark_safe("".join(parts))


@register.filter
def figure(value: float | None, unit: str = "") -> str:
    """A measured value in its unit: shares as per cent, times in ms, others plainly."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{100 * value:.0f}{TIED}%"
    if unit == "ms":
        return f"{value:,.0f}{TIED}ms" if value >= 10 else f"{value:.2g}{TIED}ms"
    return f"{value:.3g}{TIED}{unit}".strip()


@register.filter
def words(slug: str) -> str:
    """A slug as words."""
    return slug.replace("-", " ")


@register.simple_tag(takes_context=True)
def adding(context: dict[str, Any], name: str, value: str) -> str:
    """The present query string with one more value of a parameter, on its first page."""
    kept = _first_page(context)
    return f"?{kept}{'&' if kept else ''}{urlencode({name: value})}"


@register.simple_tag(takes_context=True)
def without(context: dict[str, Any], name: str, value: str) -> str:
    """The present query string without one value of a parameter, on its first page."""
    params = QueryDict(_first_page(context), mutable=True)
    params.setlist(name, [kept for kept in params.getlist(name) if kept != value])
    return "?" + params.urlencode()


def _first_page(context: dict[str, Any]) -> str:
    """The query string of the request on its first page, made once for all links of a page."""
    request = context["request"]
    if not hasattr(request, "first_page"):
        params: QueryDict = request.GET.copy()
        params.pop("page", None)
        request.first_page = params.urlencode()
    return str(request.first_page)


@register.filter
def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    whole = round(100 * share)
    return f"{whole:+d} points".replace("-", "−") if whole else "0 points"


@register.filter
def engine_name(slug: str) -> str:
    """A mitigation's name as the engine has it; of one that is gone, its slug as words."""
    try:
        return registry.get_mitigation(slug).name
    except registry.UnknownName:
        return words(slug)


@register.filter
def get(given: dict[str, Any], name: str) -> Any:
    """A value by a name that is itself a variable."""
    return given.get(name)


@register.filter
def gap(value: float, unit: str) -> str:
    """A difference in its unit, with its sign; shares in percentage points."""
    if unit == "share":
        return points(value)
    sign = "+" if value >= 0 else "−"
    return sign + figure(abs(value), unit)


@register.filter
def ends(found: dict[str, Any], unit: str) -> str:
    """The interval of a difference in square brackets; for shares in points without the word."""
    low, high = (gap(found[end], unit).removesuffix(" points") for end in ("low", "high"))
    return f"[{low},{TIED}{high}]"


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as people say them: ``40 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def p_value(value: float) -> str:
    """A p-value: small ones as a bound."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
