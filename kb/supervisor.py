"""Web server and worker under one roof: started together, stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType

from django.conf import settings

from kb import database

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 10
POLL_SECONDS = 1.0
RESTART_SECONDS = 2


class Stop(Exception):
    """Somebody asked the site to stop."""


def run(host: str, port: int, threads: int, workers: int) -> int:
    """Serve until interrupted or until the web server ends; return the exit code."""
    for number in SIGNALS:
        signal.signal(number, _stop)
    parts = [_start(web(host, port, threads)), *(_start(_worker()) for _ in range(workers))]
    try:
        while parts[0].poll() is None:
            time.sleep(POLL_SECONDS)
            database.revive()
            _revive(parts)
        print("The web server ended by itself; stopping the rest.", file=sys.stderr)
        return 1
    except Stop:
        return 0
    finally:
        for number in SIGNALS:  # a second Ctrl-C must not cut the tidying short
            signal.signal(number, signal.SIG_IGN)
        _end(parts)


def _revive(parts: list[subprocess.Popen[bytes]]) -> None:
    """Start a worker anew where one was killed; its run is failed when it stays silent."""
    for place, part in enumerate(parts[1:], start=1):
        if part.poll() is not None:
            print(f"Worker {place} ended by itself; starting another.", file=sys.stderr)
            time.sleep(RESTART_SECONDS)
            parts[place] = _start(_worker())


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stop


def web(host: str, port: int, threads: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "kb.wsgi",
        f"--bind={host}:{port}",
        "--worker-class=gthread",
        "--workers=1",
        f"--threads={threads}",
        "--timeout=60",
        "--graceful-timeout=5",
        "--limit-request-line=8190",
        "--log-level=warning",
    ]


def _worker() -> list[str]:
    return [sys.executable, "manage.py", "worker"]


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a part in a process group of its own, so that Ctrl-C reaches us first."""
    return subprocess.Popen(command, cwd=settings.BASE_DIR, start_new_session=True)


def _end(parts: list[subprocess.Popen[bytes]]) -> None:
    """Ask every part to stop; after the grace kill what is left, children too."""
    for part in parts:
        _signal(part, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for part in parts:
        try:
            part.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        _signal(part, signal.SIGKILL)
        part.wait()


def _signal(part: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(part.pid, number)
    except ProcessLookupError:
        pass
