"""Correcting papers and placements in Django's admin."""

from __future__ import annotations

from typing import Any

import pghistory
from django.contrib import admin
from django.http import HttpRequest

from taxonomy.admin import Versioned

from .models import Paper, PaperRedirect, Placement, Provenance


class PlacementInline(admin.TabularInline[Placement, Paper]):
    model = Placement
    extra = 0
    fields = ("risk", "category", "kind", "origin", "evidence")
    autocomplete_fields = ("risk", "category")


@admin.register(Paper)
class PaperAdmin(Versioned):
    list_display = ("key", "title", "year", "status")
    list_filter = ("status", "year")
    search_fields = ("key", "title")
    inlines = (PlacementInline,)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """A placement changed by hand names who did it, and is left alone by loading."""
        for placed in formset.save(commit=False):
            placed.placed_by = request.user
            placed.version += 1
            placed.save()
        for gone in formset.deleted_objects:
            gone.delete()


@admin.register(Placement)
class PlacementAdmin(admin.ModelAdmin[Placement]):
    """The curators' queue: suggestions first, those that their neighbours doubt on top."""

    list_display = ("paper", "target", "kind", "origin", "confidence", "evidence")
    list_filter = ("origin", "kind", "risk__category__stage")
    list_select_related = ("paper", "risk", "category")
    search_fields = ("paper__title", "paper__key")
    autocomplete_fields = ("paper", "risk", "category")
    readonly_fields = ("confidence", "placed_by", "version")
    ordering = ("-origin", "confidence", "paper__key")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A placement checked here is curated, and names who did it."""
        obj.placed_by, obj.origin = request.user, Provenance.CURATED
        obj.version += 1 if change else 0
        with pghistory.context(reason="placed in the admin"):
            super().save_model(request, obj, form, change)


admin.site.register(PaperRedirect)
