"""Every write to targets and runs: keyword-only, atomic, and naming its actor."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.utils import timezone

from .engine import records, registry
from .engine.spec import Spec
from .models import Metric, Run, Target

MAX_WAITING = 50
SILENT_FOR = timedelta(seconds=90)


class QueueFull(Exception):
    """Too many runs wait already; the message says what to do."""


class TargetNotActive(Exception):
    """The target exists and may not be run against now."""


def request_run(
    *,
    mitigation: str,
    risk: str = "",
    target: str = "",
    seed: int = 0,
    params: dict[str, Any] | None = None,
    by: User | AnonymousUser | None = None,
    again: bool = False,
    queue: bool = True,
) -> tuple[Run, bool]:
    """Queue a run, or find the one that measures just this; return (run, whether it is new).

    Empty risk and target mean the mitigation's first. ``again`` measures anew what is
    finished; ``queue=False`` leaves the measuring to the caller. Raises the engine's
    UnknownName and BadParameter, QueueFull, TargetNotActive.
    """
    far = Target.objects.filter(slug=target, kind=Target.Kind.ENDPOINT).first()
    endpoint = far.endpoint if far else None
    spec = Spec.create(mitigation, risk or None, target or None, seed, params or {}, endpoint)
    if found := _same(spec.digest, again):
        return found, False
    if Run.objects.filter(status__in=Run.UNFINISHED).count() >= MAX_WAITING:
        raise QueueFull(f"{MAX_WAITING} runs are waiting already. Try again when some are done.")
    try:
        return _create(spec, by, queue), True
    except IntegrityError:  # somebody asked for the same a moment ago
        if found := _same(spec.digest, again=True):
            return found, False
        raise


def _same(digest: str, again: bool) -> Run | None:
    """The run of a specification made here; what was measured elsewhere is no answer."""
    wanted = Run.UNFINISHED if again else (*Run.UNFINISHED, Run.Status.DONE)
    return Run.objects.filter(spec_digest=digest, status__in=wanted, origin="").first()


@transaction.atomic
def _create(spec: Spec, by: User | AnonymousUser | None, queue: bool) -> Run:
    from .tasks import measure

    target = Target.objects.get(slug=spec.target)
    if not target.active:
        raise TargetNotActive(f"{target.name} is not in use at present. Choose another target.")
    run = Run.objects.create(
        mitigation=spec.mitigation,
        risk=spec.risk,
        target=target,
        seed=spec.seed,
        params=dict(spec.params),
        spec=spec.to_dict(),
        spec_digest=spec.digest,
        requested_by=by if by and by.is_authenticated else None,
    )
    if queue:
        measure.defer(run_id=str(run.pk))
    return run


def start(*, run_id: uuid.UUID) -> Run | None:
    """Take a queued run; None where it was cancelled or taken meanwhile."""
    now = timezone.now()
    taken = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.RUNNING, started_at=now, heartbeat_at=now
    )
    return Run.objects.get(pk=run_id) if taken else None


def report(*, run_id: uuid.UUID, done: int, total: int, step: str) -> bool:
    """Store progress; False where the run is no longer wanted (cancelled)."""
    return bool(
        Run.objects.filter(pk=run_id, status=Run.Status.RUNNING).update(
            progress_done=done,
            progress_total=total,
            progress_step=step[:200],
            heartbeat_at=timezone.now(),
        )
    )


@transaction.atomic
def finish(*, run_id: uuid.UUID, result: dict[str, Any]) -> None:
    """Store the whole record of a running run, figures and verdict together."""
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.status != Run.Status.RUNNING:
        return
    run.result = result
    run.result_digest = digest(result)
    run.verdict = result["validity"]["verdict"]
    run.reason = result["validity"]["reason"]
    run.status = Run.Status.DONE
    run.finished_at = timezone.now()
    run.save()
    store_metrics(run=run, result=result)


def store_metrics(*, run: Run, result: dict[str, Any]) -> None:
    """The figures of a record as rows, so that lists need not open it."""
    fields = ("name", "label", "arm", "value", "low", "high", "n", "method", "unit", "better")
    Metric.objects.bulk_create(
        Metric(run=run, position=place, **{name: row[name] for name in fields})
        for place, row in enumerate(result["metrics"])
    )


def fail(*, run_id: uuid.UUID, error: str) -> None:
    """Mark an unfinished run as failed, saying why."""
    Run.objects.filter(pk=run_id, status__in=Run.UNFINISHED).update(
        status=Run.Status.FAILED, error=error, finished_at=timezone.now()
    )


def cancel(*, run_id: uuid.UUID) -> bool:
    """Cancel an unfinished run; its worker stops it at the next report."""
    return bool(
        Run.objects.filter(pk=run_id, status__in=Run.UNFINISHED).update(
            status=Run.Status.CANCELLED, finished_at=timezone.now()
        )
    )


def fail_silent() -> int:
    """Fail the runs whose worker has not been heard of; return how many."""
    lost = Run.objects.filter(
        status=Run.Status.RUNNING, heartbeat_at__lt=timezone.now() - SILENT_FOR
    )
    return lost.update(
        status=Run.Status.FAILED,
        error="The worker stopped in the middle of this run. Nothing of it was kept; run it again.",
        finished_at=timezone.now(),
    )


def sync_targets() -> int:
    """Make a row for each bundled target of the engine; return how many there are."""
    bundled = registry.targets()
    for known in bundled:
        Target.objects.update_or_create(
            slug=known.slug,
            defaults={
                "name": known.name,
                "summary": known.summary,
                "kind": Target.Kind.BUNDLED,
                "base_url": "",
                "model": "",
            },
        )
    return len(bundled)


digest = records.digest
