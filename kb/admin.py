"""Correcting papers and placements in Django's admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from taxonomy.admin import Versioned

from .models import Paper, PaperRedirect, Placement


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
            placed.save()
        for gone in formset.deleted_objects:
            gone.delete()


admin.site.register(PaperRedirect)
