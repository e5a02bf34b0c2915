"""Registering endpoints and looking at runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from .models import Run, Target


class TargetForm(forms.ModelForm[Target]):
    """A target as the admin shows it; one added by hand is an endpoint."""

    class Meta:
        model = Target
        fields = ("slug", "name", "summary", "base_url", "model", "per_minute", "active")

    def clean(self) -> dict[str, Any] | None:
        """Say what it is before the model is checked."""
        if self.instance.pk is None:
            self.instance.kind = Target.Kind.ENDPOINT
        return super().clean()


@admin.register(Target)
class TargetAdmin(admin.ModelAdmin[Target]):
    """Endpoints are registered here, by administrators alone; bundled models name themselves.

    The key of an endpoint stands in the environment of the worker, never in the database.
    """

    form = TargetForm
    list_display = ("name", "kind", "base_url", "model", "active")
    list_filter = ("kind", "active")
    fields = ("slug", "name", "summary", "base_url", "model", "per_minute", "active")
    prepopulated_fields = {"slug": ("name",)}

    def get_readonly_fields(self, request: HttpRequest, obj: Target | None = None) -> list[str]:
        """A name that runs refer to stays; of a bundled model only ``active`` may change."""
        if obj is None:
            return []
        free = {"active"} if obj.kind == Target.Kind.BUNDLED else {*self.fields} - {"slug"}
        return [name for name in self.fields if name not in free]

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Target | None = None
    ) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _administers(request)

    def has_change_permission(self, request: HttpRequest, obj: Target | None = None) -> bool:
        return _administers(request)

    def has_delete_permission(self, request: HttpRequest, obj: Target | None = None) -> bool:
        return _administers(request) and (obj is None or obj.kind == Target.Kind.ENDPOINT)


def _administers(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_active and user.is_superuser)


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
