"""One command starts everything and stops everything, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def until(wanted: int, url: str, seconds: float) -> None:
    """Wait for an answer; a loaded machine may take three times as long."""
    deadline = time.monotonic() + 3 * seconds
    while (found := status(url)) != wanted:
        assert time.monotonic() < deadline, f"{url} answers {found}, not {wanted}"
        time.sleep(0.2)


@pytest.fixture
def var() -> Path:
    # Sockets need a short path, and the database's own user must reach it.
    folder = Path(f"/tmp/safestack-test-{os.getpid()}")
    folder.mkdir(mode=0o755)
    return folder


def environment(var: Path) -> dict[str, str]:
    """What a process of the site under test has around it."""
    ours = {"DATABASE_URL", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "SAFESTACK_VAR": str(var), "KB_HARVEST": "off", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def site(var: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port)],
        cwd=ROOT,
        env=environment(var),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    yield process, f"http://127.0.0.1:{port}"
    for left in family(var):  # only where the test failed
        left.kill()
    process.communicate(timeout=20)
    subprocess.run(["rm", "-rf", str(var)], check=True)


def family(var: Path) -> list[psutil.Process]:
    """Every living process that works on this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SAFESTACK_VAR") == str(var) or str(var) in process.cmdline():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def searched(url: str, mode: str) -> list[str]:
    """Keys of the papers that the site finds by words or by meaning."""
    address = f"{url}/api/v1/search/?q=quokka+lullabies&mode={mode}&limit=3"
    with urllib.request.urlopen(address, timeout=120) as answer:
        return [row["key"] for row in json.load(answer)["results"]]


def add_paper(var: Path) -> None:
    """Add a paper in a process of its own; it is committed when this returns."""
    code = (
        "from kb.models import Paper; from kb.search._vectors import embed_paper; embed_paper("
        "Paper.objects.create(key='quokka-paper', title='Quokka lullabies', year=2025))"
    )
    run = [sys.executable, "manage.py", "shell", "-c", code]
    subprocess.run(run, cwd=ROOT, env=environment(var), check=True, capture_output=True)


def another_worker(var: Path, old: int) -> bool:
    """Whether within 20 s there is a worker other than the killed one."""
    for _ in range(100):
        if any("worker" in p.cmdline() and p.pid != old for p in family(var)):
            return True
        time.sleep(0.2)
    return False


def test_it_starts_survives_and_leaves_nothing(
    site: tuple[subprocess.Popen[str], str], var: Path
) -> None:
    process, url = site
    until(200, f"{url}/readyz", 300)
    assert "quokka-paper" not in searched(url, "keyword") + searched(url, "semantic")
    add_paper(var)
    committed = time.monotonic()
    for mode in ("keyword", "semantic"):
        assert searched(url, mode)[0] == "quokka-paper"
    assert time.monotonic() - committed < 2 * 3
    worker = next(p for p in family(var) if "worker" in p.cmdline())
    worker.kill()
    postmaster = psutil.Process(int((var / "postgres/postmaster.pid").read_text().splitlines()[0]))
    postmaster.send_signal(signal.SIGINT)
    postmaster.wait(20)
    until(200, f"{url}/readyz", 60)
    assert another_worker(var, worker.pid)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)  # impatience changes nothing
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    for step in ("database", "tables", "static files", "corpus and taxonomy", "ready"):
        assert step in said
    assert not family(var)


def test_a_taken_port_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "manage.py", "serve", "--port", str(taken.getsockname()[1])],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 2
    assert "Choose another" in done.stderr
