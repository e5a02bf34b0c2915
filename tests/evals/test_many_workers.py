"""Several worker processes on one database, one of them killed with ``kill -9`` in the middle.

Nothing is lost, and nothing runs twice to completion. The engine is a stand-in that takes a
few seconds; queue, workers, database and recovery are the product's own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import pytest

from evals.engine import provenance
from evals.engine.mitigations import perplexity_filter as pf
from evals.engine.spec import Spec
from tests.fakes import FakeLanguageModel

ROOT = Path(__file__).resolve().parents[2]
RUNS, WORKERS = 6, 3
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workers")]


class Place:
    """A database of the test's own, and what is started on it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.env = {**os.environ, "DATABASE_URL": address, "PYTHONPATH": str(ROOT)}
        self.env["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        self.started: list[subprocess.Popen[str]] = []

    def run(self, *words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "tests.quick_worker", str(self.folder), *words],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.strip().splitlines()[-1])

    def worker(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.quick_worker", str(self.folder), "work", "4"],
            cwd=ROOT, env=self.env, text=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.started.append(process)
        return process

    def journal(self) -> list[list[Any]]:
        path = self.folder / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    parts = urlsplit(os.environ["DATABASE_URL"])
    name = f"workers_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    found = Place(tmp_path, urlunsplit(parts._replace(path=f"/{name}")))
    try:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=found.env, check=True
        )
        yield found
    finally:
        for process in found.started:
            process.kill()
            process.wait()
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def until(wanted: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.3)


def record() -> dict[str, Any]:
    spec = Spec.create("perplexity-filter", params={"n": 30, "search_steps": 0})
    watch = provenance.Stopwatch()
    return pf.measure_on(FakeLanguageModel(), spec, lambda p: None, watch).to_dict()  # type: ignore[arg-type]


def finished(place: Place) -> bool:
    return all(row["status"] == "done" for row in place.run("look"))


def test_a_killed_worker_loses_nothing_and_nothing_is_done_twice(place: Place) -> None:
    (place.folder / "record.json").write_text(json.dumps(record()))
    assert len(place.run("ask", str(RUNS))) == RUNS
    workers = [place.worker() for _ in range(WORKERS)]
    until(lambda: len({row[2] for row in place.journal()}) == WORKERS, 120)
    begun = {row[2]: row for row in place.journal() if row[0] == "begin"}
    victim = workers[0]
    _, seed, _, engine, _ = begun[victim.pid]
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(engine), 5)  # the engine goes with its worker
    until(lambda: sum(row[0] == "end" for row in place.journal()) == RUNS - 1, 180)
    # An engine has ended a moment before its worker has stored what it gave.
    until(lambda: Counter(row["status"] for row in place.run("look"))["running"] == 1, 30)
    time.sleep(6)
    assert place.run("recover") == [1, 0]
    until(lambda: finished(place), 120)
    rows = place.run("look")
    assert [row["attempt"] for row in rows] == [2 if row["seed"] == seed else 1 for row in rows]
    assert len({row["metrics"] for row in rows}) == 1
    assert "queued again: its worker stopped" in rows[seed]["steps"]
    ended = Counter(row[1] for row in place.journal() if row[0] == "end")
    assert ended == dict.fromkeys(range(RUNS), 1)
    assert one_at_a_time(place.journal())


def one_at_a_time(journal: list[list[Any]]) -> bool:
    """Whether no worker began a run before its last one had ended."""
    busy: set[int] = set()
    for word, _, worker, _, _ in journal:
        if word == "begin" and worker in busy:
            return False
        (busy.add if word == "begin" else busy.discard)(worker)
    return True


def test_a_worker_that_is_asked_to_stop_gives_its_run_back(place: Place) -> None:
    (place.folder / "record.json").write_text(json.dumps(record()))
    place.run("ask", "1")
    first = place.worker()
    until(lambda: len(place.journal()) == 1, 120)
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    (row,) = place.run("look")
    assert row["status"] == "queued"
    place.worker()
    until(lambda: finished(place), 120)
    assert [row[0] for row in place.journal()] == ["begin", "begin", "end"]
