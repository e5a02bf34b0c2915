"""A worker whose engine takes a second, for tests with several of them on one database.

    python -m tests.quick_worker FOLDER ask N | work | recover | look

The folder holds ``record.json``, which every run gets as its record, and ``journal``, in which
each engine writes when it begins and ends. Everything but the engine is the product's own.
"""

from __future__ import annotations

import json
import sys
from typing import Any

ENGINE = """
import json, os, shutil, sys, time
from evals.confine import die_with_parent
die_with_parent()
folder, spec, out = sys.argv[1:]
seed = json.load(open(spec))["seed"]
def note(word):
    with open(f"{folder}/journal", "a") as journal:
        journal.write(json.dumps([word, seed, os.getppid(), os.getpid(), time.time()]) + "\\n")
note("begin")
for i in range(10):
    print(json.dumps({"done": i + 1, "total": 10, "step": "working"}), flush=True)
    time.sleep(SECONDS / 10)
shutil.copy(f"{folder}/record.json", out)
note("end")
"""


def main(folder: str, what: str, *rest: str) -> None:
    """Do one thing and print what came of it as JSON."""
    import django

    django.setup()
    found = {"ask": ask, "work": work, "recover": recover, "look": look}[what](folder, *rest)
    print(json.dumps(found))


def ask(folder: str, count: str) -> list[str]:
    """Queue runs with seeds 0, 1, …"""
    from evals import operations

    operations.sync_targets()
    given: dict[str, Any] = {"mitigation": "perplexity-filter", "params": {"n": 30}}
    return [str(operations.request_run(**given, seed=i)[0].pk) for i in range(int(count))]


def work(folder: str, seconds: str = "2") -> None:
    """Be a worker until stopped."""
    from django.core.management import call_command

    from evals import worker

    code = ENGINE.replace("SECONDS", seconds)
    worker._command = lambda spec, out, far: [  # type: ignore[assignment]
        sys.executable, "-c", code, folder, str(spec), str(out)
    ]  # fmt: skip
    call_command("worker")


def recover(folder: str) -> tuple[int, int]:
    """What the minute's upkeep does once a run has been silent for long enough."""
    from datetime import timedelta

    from django.utils import timezone

    from evals import operations
    from evals.models import Run

    quiet = timezone.now() - timedelta(seconds=5)
    stuck = Run.objects.filter(status=Run.Status.RUNNING, heartbeat_at__lt=quiet)
    stuck.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    return operations.recover_silent()


def look(folder: str) -> list[dict[str, Any]]:
    """Every run as it stands."""
    from evals.models import Run

    rows = Run.objects.order_by("seed")
    return [
        {"seed": r.seed, "status": r.status, "attempt": r.attempt, "metrics": r.metrics.count(),
         "steps": [row["step"] for row in r.steps]}
        for r in rows
    ]  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
