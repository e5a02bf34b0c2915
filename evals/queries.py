"""Reads of targets and runs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Case, F, Max, Prefetch, QuerySet, When
from django.db.models.fields.json import KT

from .models import Metric, Run, RunLog, Target, Verdict

NARROWED = ("mitigation", "risk", "status", "verdict")


def runs() -> QuerySet[Run]:
    """Runs for lists, newest first, with their figures and ``stack``, without their samples."""
    figures = Prefetch("metrics", Metric.objects.order_by("position"))
    return (
        Run.objects.select_related("target")
        .defer("result", "spec", "steps")
        .annotate(stack=KT("spec__stack"))
        .prefetch_related(figures)
    )


def narrowed(**asked: str) -> QuerySet[Run]:
    """Runs for lists whose fields (of ``NARROWED``) have the values that are not empty."""
    return runs().filter(**{name: value for name, value in asked.items() if value})


def choices() -> dict[str, list[str]]:
    """The values by which runs can be narrowed, each once."""
    rows = Run.objects.order_by().values_list(*NARROWED).distinct()
    columns = zip(*rows, strict=True) if rows else [()] * len(NARROWED)
    return {
        name: sorted({value for value in column if value})
        for name, column in zip(NARROWED, columns, strict=True)
    }


def parts_of(run: Run, *names: str) -> dict[str, Any]:
    """Some parts of a run's record, without its samples."""
    fields = [f"result__{name}" for name in names]
    row = Run.objects.filter(pk=run.pk).values_list(*fields).get()
    return dict(zip(names, row, strict=True))


def log(pk: uuid.UUID, name: str) -> RunLog | None:
    """An Inspect log of a run by its file name."""
    return RunLog.objects.filter(run=pk, name=name[:200]).first()


def endpoints() -> list[str]:
    """The endpoints that runs may be made against, by name."""
    found = Target.objects.filter(kind=Target.Kind.ENDPOINT, active=True)
    return list(found.values_list("slug", flat=True))


def run(pk: uuid.UUID) -> Run | None:
    """One run with its whole record."""
    return Run.objects.select_related("target", "requested_by").filter(pk=pk).first()


def latest_runs(risk: str = "", mitigation: str = "") -> dict[tuple[str, str], Run]:
    """{(mitigation, risk): its newest finished run}."""
    found = runs().filter(status=Run.Status.DONE).exclude(spec__has_key="stack")
    if risk:
        found = found.filter(risk=risk)
    if mitigation:
        found = found.filter(mitigation=mitigation)
    newest = found.order_by("mitigation", "risk", "-finished_at").distinct("mitigation", "risk")
    return {(run.mitigation, run.risk): run for run in newest}


def newest_verdicts() -> dict[tuple[str, str], str]:
    """{(mitigation, risk): the verdict of its newest finished run}."""
    apart = ("mitigation", "risk")
    done = Run.objects.filter(status=Run.Status.DONE).exclude(spec__has_key="stack")
    newest = done.order_by(*apart, "-finished_at").distinct(*apart)
    return {(m, risk): verdict for m, risk, verdict in newest.values_list(*apart, "verdict")}


def measured_pairs() -> dict[tuple[str, str], datetime]:
    """{(mitigation, risk): when its newest run finished} of every pair with one."""
    done = Run.objects.filter(status=Run.Status.DONE).order_by()
    newest = done.values_list("mitigation", "risk").annotate(newest=Max("finished_at"))
    return {(mitigation, risk): at for mitigation, risk, at in newest}


def took(mitigation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """How long a mitigation's newest finished run took, of those with these parameters if any.

    Gives ``seconds``, ``at``, ``threads``, ``origin``, ``pk``, and ``same``: whether the
    parameters are these. None where it never ran.
    """
    done = Run.objects.filter(mitigation=mitigation, status=Run.Status.DONE)
    found = (
        done.exclude(spec__has_key="stack")
        .exclude(started_at=None)
        .annotate(
            same=Case(When(params=dict(params), then=True), default=False),
            seconds=F("finished_at") - F("started_at"),
            threads=F("result__provenance__threads"),
        )
        .order_by("-same", "-finished_at")
        .values("pk", "origin", "same", "seconds", "threads", at=F("finished_at"))
        .first()
    )
    return {**found, "seconds": found["seconds"].total_seconds()} if found else None


def finished() -> QuerySet[Run]:
    """Finished runs for lists, newest first."""
    return runs().filter(status=Run.Status.DONE)


def by_digest(digest: str) -> Run | None:
    """The run whose record has this digest (whole, or its first twelve characters or more)."""
    if not 12 <= len(digest) <= 64:
        return None
    return runs().filter(result_digest__startswith=digest).first()


def measured_risks() -> list[str]:
    """The risks that have a measurable run."""
    found = Run.objects.filter(status=Run.Status.DONE, verdict=Verdict.MEASURABLE)
    return sorted(found.order_by().values_list("risk", flat=True).distinct())


def newest_measurable(risks: Sequence[str]) -> QuerySet[Run]:
    """The newest measurable run of each mitigation, risk and target, of some risks or all."""
    found = finished().filter(verdict=Verdict.MEASURABLE)
    if risks:
        found = found.filter(risk__in=risks)
    apart = ("mitigation", "risk", "target_id")
    return found.order_by(*apart, "-finished_at").distinct(*apart)
