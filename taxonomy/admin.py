"""Correcting the taxonomy in Django's admin; each save bumps the version and is recorded."""

from __future__ import annotations

from typing import Any

import pghistory
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from .models import (
    Category,
    ChangeSet,
    Direction,
    Framework,
    FrameworkEntry,
    Mapping,
    Mitigation,
    Release,
    Risk,
    RiskMitigation,
    Stage,
)

# An address typed without a scheme means HTTPS.
HTTPS: dict[type[models.Field[Any, Any]], dict[str, Any]] = {
    models.URLField: {"assume_scheme": "https"}
}


class Versioned(admin.ModelAdmin[Any]):
    """An edited row gets a new version, so that loading fixtures leaves it alone."""

    readonly_fields = ("version",)
    formfield_overrides = HTTPS

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save with a new version and a reason in the history."""
        obj.version += 1 if change else 0
        with pghistory.context(reason="edited in the admin"):
            super().save_model(request, obj, form, change)


@admin.register(Category)
class CategoryAdmin(Versioned):
    list_display = ("__str__", "stage", "origin")
    list_filter = ("stage", "origin")
    search_fields = ("name", "number")
    list_select_related = ("stage",)


class AnswerInline(admin.TabularInline[RiskMitigation, Risk]):
    model = RiskMitigation
    extra = 0
    fields = (
        "mitigation",
        "claim",
        "claim_value",
        "claim_unit",
        "claim_source",
        "grade",
        "grade_reason",
    )
    autocomplete_fields = ("mitigation",)


@admin.register(Risk)
class RiskAdmin(Versioned):
    list_display = ("name", "category", "status", "version")
    list_filter = ("status", "category__stage")
    search_fields = ("name", "aliases")
    list_select_related = ("category",)
    readonly_fields = ("version", "merged_into")  # type: ignore[assignment]
    inlines = (AnswerInline,)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """An answer edited here is left alone by loading, like every edited row."""
        for answer in formset.save(commit=False):
            answer.version += 1
            answer.save()
        for gone in formset.deleted_objects:
            gone.delete()


@admin.register(Mitigation)
class MitigationAdmin(Versioned):
    list_display = ("name", "engine_key", "status", "version")
    list_filter = ("status", "stages")
    search_fields = ("name",)
    readonly_fields = ("version", "engine_key")  # type: ignore[assignment]


@admin.register(Mapping)
class MappingAdmin(admin.ModelAdmin[Mapping]):
    list_display = ("risk", "relation", "entry", "framework_version")
    list_filter = ("entry__framework", "relation")
    search_fields = ("risk__name", "entry__ident", "entry__name")
    list_select_related = ("risk", "entry")
    autocomplete_fields = ("risk", "entry")
    readonly_fields = ("mapped_by", "version")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A mapping made or checked here names who did it, and is left alone by loading."""
        obj.mapped_by = request.user
        obj.version += 1 if change else 0
        with pghistory.context(reason="edited in the admin"):
            super().save_model(request, obj, form, change)


@admin.register(FrameworkEntry)
class FrameworkEntryAdmin(admin.ModelAdmin[FrameworkEntry]):
    list_display = ("ident", "name", "framework")
    search_fields = ("ident", "name")
    formfield_overrides = HTTPS
    list_filter = ("framework",)


@admin.register(ChangeSet, Release)
class ReadOnly(admin.ModelAdmin[Any]):
    """Looked at here, never changed here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Framework)
class FrameworkAdmin(admin.ModelAdmin[Framework]):
    list_display = ("name", "version", "publisher")
    formfield_overrides = HTTPS


@admin.register(Direction)
class DirectionAdmin(Versioned):
    list_display = ("name", "category", "status", "version")
    list_filter = ("status",)
    search_fields = ("name",)
    list_select_related = ("category",)


admin.site.register(Stage)
admin.site.site_header = "Safestack"
admin.site.site_title = "Safestack"
