"""Loading the measured runs that ship, so that a fresh install shows evidence."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction

from . import operations
from .engine import records
from .engine.records import BadRecord
from .engine.spec import Spec
from .models import Run, Target

SHIPPED = uuid.UUID("b0bd09b1-7a4c-5f0e-9a52-6e2a2c7f2d5e")  # the namespace of their ids


@transaction.atomic
def load_runs(folder: Path) -> dict[str, int]:
    """Make the shipped runs match the files; runs made here are left alone.

    A run says in ``origin`` where and when it was measured. Returns counts. Raises BadRecord
    (nothing is loaded then).
    """
    operations.sync_targets()
    given = {_id(path): path for path in records.stored(folder)}
    shipped = Run.objects.exclude(origin="")
    shipped.exclude(pk__in=given).delete()
    known = dict(shipped.values_list("pk", "result_digest"))
    new, kept = 0, 0
    for pk, path in given.items():
        found = records.read(path)
        if known.get(pk) == found["sha256"]:
            kept += 1
            continue
        Run.objects.filter(pk=pk).delete()
        _store(pk, path, found)
        new += 1
    return {"created": new, "updated": 0, "kept": kept}


def _id(path: Path) -> uuid.UUID:
    return uuid.uuid5(SHIPPED, records.slug(path))


def _store(pk: uuid.UUID, path: Path, found: dict[str, Any]) -> None:
    """Make the row of a record and of its figures; raises BadRecord."""
    record = found["record"]
    try:
        spec = Spec.from_dict(record["spec"])
        start = datetime.fromisoformat(record["provenance"]["started_at"])
        run = Run(
            id=pk,
            mitigation=spec.mitigation,
            risk=spec.risk,
            target=Target.objects.get(slug=spec.target),
            seed=spec.seed,
            params=dict(spec.params),
            spec=spec.to_dict(),
            spec_digest=spec.digest,
            status=Run.Status.DONE,
            verdict=record["validity"]["verdict"],
            reason=record["validity"]["reason"],
            result=record,
            result_digest=found["sha256"],
            origin=found["origin"],
            started_at=start,
            finished_at=start + timedelta(seconds=record["provenance"]["duration_s"]),
        )
        run.full_clean(validate_unique=False)
        run.save()
        operations.store_metrics(run=run, result=record)
    except (LookupError, TypeError, ValueError, ValidationError, DatabaseError) as error:
        raise BadRecord(f"{path.name} does not fit this version: {error!r:.300}") from None
    # A list of the newest runs puts them at the time when they were measured.
    Run.objects.filter(pk=pk).update(created_at=start)
