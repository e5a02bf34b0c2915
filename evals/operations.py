"""Every write to targets and runs: keyword-only, atomic, and naming its actor."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from .engine import records, registry
from .engine.spec import Spec
from .models import Metric, Run, RunLog, Target
from .summary import summarise

MAX_WAITING = 50
MAX_ATTEMPTS = 2
MOST_STEPS = 200  # in the log of a run
SILENT_FOR = timedelta(seconds=90)
DAY = timedelta(days=1)
# Whoever composes this app adds functions that raise NotOffered for a specification.
REFUSALS: list[Callable[[Spec], None]] = []
PRIORITY = 10  # a signed-in person's run goes before an anonymous one


class QueueFull(Exception):
    """Too many runs wait already; the message says what to do."""


class NotAllowed(Exception):
    """Whoever asks may not start a run; the message says what they may do."""


class NotOffered(Exception):
    """The mitigation is not offered any more; the message says why."""


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
    stack: str = "",
    again: bool = False,
    queue: bool = True,
) -> tuple[Run, bool]:
    """Queue a run, or find the one that measures just this; return (run, whether it is new).

    Empty risk and target mean the mitigation's first; ``stack`` is a second mitigation.
    ``again`` measures anew what is finished; ``queue=False`` leaves the measuring to the
    caller. Raises the engine's UnknownName and BadParameter, QueueFull, TargetNotActive, and
    NotAllowed or NotOffered where the answer is not there already and may not be made.
    """
    far = Target.objects.filter(slug=target, kind=Target.Kind.ENDPOINT).first()
    endpoint = far.endpoint if far else None
    spec = Spec.create(
        mitigation, risk or None, target or None, seed, params or {}, endpoint, stack
    )
    if found := _same(spec.digest, again):
        return found, False
    for refuse in REFUSALS:
        refuse(spec)
    if queue:
        _may_start(by)
    if Run.objects.filter(status__in=Run.UNFINISHED).count() >= MAX_WAITING:
        raise QueueFull(f"{MAX_WAITING} runs are waiting already. Try again when some are done.")
    try:
        return _create(spec, by, queue), True
    except IntegrityError:  # somebody asked for the same a moment ago
        if found := _same(spec.digest, again=True):
            return found, False
        raise


def _may_start(by: User | AnonymousUser | None) -> None:
    """Raise NotAllowed or QueueFull unless ``by`` may queue one more run.

    All anonymous visitors together have one quota, since nothing tells them apart.
    """
    person = by if isinstance(by, User) else None
    if settings.RUNS == "signed-in" and person is None:
        raise NotAllowed(
            "Only signed-in people may start a run here. Sign in, or look at the runs that are "
            "stored: asking for one with the same values shows it."
        )
    mine = Run.objects.filter(requested_by=person, origin="")
    waiting, today = settings.RUN_QUOTA if person else settings.RUN_QUOTA_ANONYMOUS
    if mine.filter(status__in=Run.UNFINISHED).count() >= waiting:
        raise QueueFull(f"{waiting} runs of yours are waiting. Try again when one has ended.")
    if mine.filter(created_at__gte=timezone.now() - DAY).count() >= today:
        raise QueueFull(f"{today} runs a day may be started by you. Try again tomorrow.")


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
        urgent = PRIORITY if run.requested_by_id else 0
        measure.configure(priority=urgent).defer(run_id=str(run.pk))
    return run


def run_again(*, run: Run, by: User | AnonymousUser | None) -> tuple[Run, bool]:
    """Queue a run with the specification of another one, and measure it anew.

    An endpoint's address is the one registered now. Raises what ``request_run`` raises.
    """
    return request_run(
        mitigation=run.mitigation,
        risk=run.risk,
        target=run.target.slug,
        seed=run.seed,
        params=run.spec["params"],
        stack=run.spec.get("stack", ""),
        by=by,
        again=True,
    )


def start(*, run_id: uuid.UUID) -> Run | None:
    """Take a queued run; None where it was cancelled or taken meanwhile."""
    now = timezone.now()
    taken = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.RUNNING, started_at=now, heartbeat_at=now, attempt=F("attempt") + 1
    )
    return Run.objects.get(pk=run_id) if taken else None


def report(*, run: Run, done: int, total: int, step: str) -> bool:
    """Store progress; False where this attempt is no longer wanted (cancelled, given away).

    A step that was not there before goes into the log of steps.
    """
    now = timezone.now()
    _log(run, step, now, done, total)
    return bool(
        _mine(run).update(
            progress_done=done,
            progress_total=total,
            progress_step=step[:200],
            steps=run.steps,
            heartbeat_at=now,
        )
    )


def _log(run: Run, step: str, now: datetime, done: int = 0, total: int = 0) -> None:
    """Add a new step to the run's log, of which the newest are kept."""
    if not run.steps or run.steps[-1]["step"] != step[:200]:
        at = now.isoformat(timespec="milliseconds")
        said = {"at": at, "step": step[:200], "done": done, "total": total}
        run.steps = [*run.steps, said][-MOST_STEPS:]


def _mine(run: Run) -> QuerySet[Run]:
    """The row while the attempt that took ``run`` still holds it."""
    return Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING, attempt=run.attempt)


@transaction.atomic
def finish(*, run: Run, result: dict[str, Any], logs: Mapping[str, bytes] | None = None) -> None:
    """Store the whole record of a running run: figures, verdict and Inspect logs together.

    Nothing happens where the run was cancelled, or given to another worker meanwhile.
    """
    held = _mine(run).select_for_update().first()
    if held is None:
        return
    held.result = result
    held.result_digest = digest(result)
    held.summary = summarise(result)
    held.verdict = result["validity"]["verdict"]
    held.reason = result["validity"]["reason"]
    held.status = Run.Status.DONE
    held.finished_at = timezone.now()
    held.progress_done = held.progress_total
    held.save()
    store_metrics(run=held, result=result)
    _store_logs(held, logs or {})


def _store_logs(run: Run, logs: Mapping[str, bytes]) -> None:
    """Keep the logs that the record names and that are what it says they are."""
    made = (run.result or {})["provenance"].get("inspect_logs", [])
    RunLog.objects.bulk_create(
        RunLog(
            run=run,
            name=said["file"],
            sha256=said["sha256"],
            size=len(content),
            content=content,
        )
        for said in made
        if (content := logs.get(said["file"])) is not None
        and hashlib.sha256(content).hexdigest() == said["sha256"]
    )


def store_metrics(*, run: Run, result: dict[str, Any]) -> None:
    """The figures of a record as rows, so that lists need not open it."""
    fields = ("name", "label", "arm", "value", "low", "high", "n", "method", "unit", "better")
    Metric.objects.bulk_create(
        Metric(run=run, position=place, **{name: row[name] for name in fields})
        for place, row in enumerate(result["metrics"])
    )


def fail(*, run: Run, error: str) -> None:
    """Mark the run as failed, saying why, unless it was taken from this attempt."""
    _mine(run).update(status=Run.Status.FAILED, error=error, finished_at=timezone.now())


def cancel(*, run_id: uuid.UUID) -> bool:
    """Cancel an unfinished run; its worker stops it at the next report."""
    return bool(
        Run.objects.filter(pk=run_id, status__in=Run.UNFINISHED).update(
            status=Run.Status.CANCELLED, finished_at=timezone.now()
        )
    )


@transaction.atomic
def recover_silent() -> tuple[int, int]:
    """Queue again the runs whose worker has not been heard of; fail those tried twice.

    Returns (queued again, failed). A worker that was only slow finds its attempt taken away.
    """
    lost = Run.objects.select_for_update(skip_locked=True).filter(
        status=Run.Status.RUNNING, heartbeat_at__lt=timezone.now() - SILENT_FOR
    )
    again = [run for run in lost if run.attempt < MAX_ATTEMPTS]
    for run in again:
        _queue_again(run)
    failed = Run.objects.filter(pk__in=[run.pk for run in lost if run.attempt >= MAX_ATTEMPTS])
    return len(again), failed.update(
        status=Run.Status.FAILED,
        error=f"{MAX_ATTEMPTS} workers stopped in the middle of this run. Nothing of it was kept; "
        "run it again, perhaps smaller.",
        finished_at=timezone.now(),
    )


@transaction.atomic
def give_back(*, run: Run) -> None:
    """Queue a run again whose worker stops in the middle, unless it was taken from it."""
    if held := _mine(run).select_for_update().first():
        _queue_again(held)


def _queue_again(run: Run) -> None:
    from .tasks import measure

    run.status, run.progress_step = Run.Status.QUEUED, "queued again: its worker stopped"
    run.progress_done = run.progress_total = 0
    _log(run, run.progress_step, timezone.now())
    run.save(update_fields=["status", "progress_step", "progress_done", "progress_total", "steps"])
    measure.configure(priority=PRIORITY).defer(run_id=str(run.pk))


def forget_old() -> int:
    """Delete failed and cancelled runs after ``KB_RUN_DAYS``; finished ones stay."""
    before = timezone.now() - timedelta(days=settings.RUN_DAYS)
    old = Run.objects.filter(
        status__in=[Run.Status.FAILED, Run.Status.CANCELLED], finished_at__lt=before
    )
    return old.delete()[1].get("evals.Run", 0)


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
