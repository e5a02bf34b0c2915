"""Registering endpoints and looking at runs."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from .models import Run, Target


@admin.register(Target)
class TargetAdmin(admin.ModelAdmin[Target]):
    list_display = ("name", "kind", "active")
    list_filter = ("kind", "active")


@admin.register(Run)
class RunAdmin(admin.ModelAdmin[Run]):
    """Runs are a record: looked at here, never changed."""

    list_display = ("mitigation", "risk", "target", "status", "verdict", "created_at")
    list_filter = ("status", "verdict", "mitigation")
    list_select_related = ("target",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False
