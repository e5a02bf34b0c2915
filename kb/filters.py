"""The one paper filter, for pages and for the API."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar

import django_filters as filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet

from taxonomy.models import Category, Mitigation, Risk, Stage

from .models import FIRST_YEAR, LAST_YEAR, Kind, Paper, Placement, Proposal, Provenance


class SlugField(forms.ModelMultipleChoiceField[Any]):
    """One or more rows by slug; an unknown one is answered with the nearest names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(to_field_name="slug", **options)

    def clean(self, value: Any) -> Any:
        """The rows; raises ValidationError naming what is unknown."""
        rows = self.queryset.values_list("slug", flat=True) if value and self.queryset else []
        known = list(rows)
        for name in value or []:
            if name not in known:
                raise ValidationError(unknown(name, known), code="unknown")
        return super().clean(value)


class KindField(forms.MultipleChoiceField):
    """One or more kinds of paper."""

    def validate(self, value: list[str]) -> None:
        for name in value:
            if not self.valid_value(name):
                raise ValidationError(unknown(name, Kind.values), code="unknown")


def unknown(name: str, known: list[str]) -> str:
    """What to say of a name that is not there: the nearest ones, or where to look."""
    near = get_close_matches(str(name)[:200], known, n=3, cutoff=0.5)
    return f"Nothing is called {str(name)[:80]!r}. " + (
        f"Near to it: {', '.join(near)}." if near else f"There are: {', '.join(known[:8])}…"
    )


class SlugFilter(filters.Filter):
    field_class = SlugField


class KindFilter(filters.MultipleChoiceFilter):
    field_class = KindField


def _year(label: str) -> filters.NumberFilter:
    return filters.NumberFilter(label=label, min_value=FIRST_YEAR, max_value=LAST_YEAR)


@dataclass(frozen=True)
class Chip:
    """One value that a list is narrowed by, and how it is called."""

    name: str
    value: str
    label: str
    shown: str


class PaperFilter(filters.FilterSet):
    """Papers by where they are placed and by what they are.

    Stage, category, risk and kind ask for *one* placement that fulfils them all: an attack
    in deployment is not a deployment paper that attacks something elsewhere.
    """

    stage = SlugFilter(queryset=Stage.objects.all(), label="Stage")
    category = SlugFilter(queryset=Category.objects.all(), label="Category, with what is below")
    risk = SlugFilter(queryset=Risk.objects.all(), label="Risk")
    kind = KindFilter(choices=Kind.choices, label="Kind")
    mitigation = SlugFilter(queryset=Mitigation.objects.all(), label="Mitigation it proposes")
    year_from = _year("From year")
    year_to = _year("To year")
    venue = filters.CharFilter(max_length=200, label="Venue contains")
    author = filters.CharFilter(max_length=200, label="Author contains")
    has_abstract = filters.BooleanFilter(label="Has an abstract")
    reviewed = filters.BooleanFilter(label="Placed by a curator")

    PLACED = ("stage", "category", "risk", "kind")
    _made: ClassVar[Any] = None

    class Meta:
        model = Paper
        fields: tuple[str, ...] = ()

    def get_form_class(self) -> Any:
        """The form, made once: each use copies its fields anyway, and making them takes longest."""
        if PaperFilter._made is None:
            PaperFilter._made = super().get_form_class()
        return PaperFilter._made

    def filter_queryset(self, queryset: QuerySet[Paper]) -> QuerySet[Paper]:
        """Papers that fulfil everything asked for."""
        return self.narrow(queryset)

    def narrow(self, queryset: QuerySet[Paper], leave_out: str = "") -> QuerySet[Paper]:
        """As asked, but for the facet ``leave_out``."""
        if placed := self.placed(leave_out):
            found = Placement.objects.filter(placed, paper=OuterRef("pk"))
            queryset = queryset.filter(Exists(found))
        return self.besides(queryset, leave_out)

    def besides(self, queryset: QuerySet[Paper], leave_out: str = "") -> QuerySet[Paper]:
        """As asked of the papers besides their placements, but for the facet ``leave_out``."""
        if wanted := self._asked("mitigation", leave_out):
            proposed = Proposal.objects.filter(mitigation__in=wanted, paper=OuterRef("pk"))
            queryset = queryset.filter(Exists(proposed))
        about = self._about(leave_out)
        return queryset.filter(about) if about else queryset

    def chips(self) -> list[Chip]:
        """What the list is narrowed by now, one chip for each value."""
        found: list[Chip] = []
        for name, field in self.form.fields.items():
            values = filter(None, self.data.getlist(name))
            found += [Chip(name, v, str(field.label), _shown(field, v)) for v in values]
        return found

    def placed(self, leave_out: str = "") -> Q:
        """The condition on one placement."""
        asked = {name: self._asked(name, leave_out) for name in self.PLACED}
        condition = Q()
        if asked["stage"]:
            condition &= Q(risk__category__stage__in=asked["stage"]) | Q(
                category__stage__in=asked["stage"]
            )
        if asked["category"]:
            below = [node.pk for top in asked["category"] for node in below_and_self(top)]
            condition &= Q(risk__category__in=below) | Q(category__in=below)
        if asked["risk"]:
            condition &= Q(risk__in=asked["risk"])
        if asked["kind"]:
            condition &= Q(kind__in=asked["kind"])
        return condition

    def _about(self, leave_out: str) -> Q:
        """The condition on the paper's own fields."""
        tests = {
            "year_from": lambda year: Q(year__gte=int(year)),
            "year_to": lambda year: Q(year__lte=int(year)),
            "venue": lambda name: Q(venue__icontains=name),
            "author": lambda name: Q(authors__icontains=name),
            "has_abstract": lambda yes: Q(abstract__gt="") if yes else Q(abstract=""),
            "reviewed": lambda yes: Q(status=Provenance.CURATED if yes else Provenance.SUGGESTED),
        }
        condition = Q()
        for name, test in tests.items():
            value = self._asked(name, leave_out)
            if value not in (None, ""):
                condition &= test(value)
        return condition

    def _asked(self, name: str, leave_out: str) -> Any:
        return None if name == leave_out else self._given.get(name)

    @cached_property
    def _given(self) -> dict[str, Any]:
        """What was asked for, its rows as lists: an empty set of rows costs time to look at."""
        given = self.form.cleaned_data
        return {n: _rows(v) if isinstance(v, QuerySet) else v for n, v in given.items()}


def _rows(found: QuerySet[Any]) -> list[Any]:
    return [] if found.query.is_empty() else list(found)


def _shown(field: forms.Field, value: str) -> str:
    """How a value is called: a row by its name, a choice by its label."""
    if isinstance(field, forms.ModelMultipleChoiceField) and field.queryset is not None:
        row = field.queryset.filter(slug=value).first()
        return str(row) if row else value
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(value, value))  # type: ignore[arg-type]
    return {"true": "yes", "false": "no"}.get(value.lower(), value)


def below_and_self(category: Category) -> QuerySet[Category]:
    """A category and everything under it."""
    found: QuerySet[Category] = category.descendants(include_self=True)
    return found
