"""Reads of targets and runs."""

from __future__ import annotations

import uuid

from django.db.models import Prefetch, QuerySet

from .models import Metric, Run, Target


def runs() -> QuerySet[Run]:
    """Runs for lists, newest first, with their figures and without their samples."""
    figures = Prefetch("metrics", Metric.objects.order_by("position"))
    return Run.objects.select_related("target").defer("result", "spec").prefetch_related(figures)


def endpoints() -> list[str]:
    """The endpoints that runs may be made against, by name."""
    found = Target.objects.filter(kind=Target.Kind.ENDPOINT, active=True)
    return list(found.values_list("slug", flat=True))


def run(pk: uuid.UUID) -> Run | None:
    """One run with its whole record."""
    return Run.objects.select_related("target", "requested_by").filter(pk=pk).first()


def latest_runs(risk: str = "", mitigation: str = "") -> dict[tuple[str, str], Run]:
    """{(mitigation, risk): its newest finished run}."""
    found = runs().filter(status=Run.Status.DONE)
    if risk:
        found = found.filter(risk=risk)
    if mitigation:
        found = found.filter(mitigation=mitigation)
    newest = found.order_by("mitigation", "risk", "-finished_at").distinct("mitigation", "risk")
    return {(run.mitigation, run.risk): run for run in newest}
