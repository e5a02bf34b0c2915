"""How long it takes from asking for a run until it is queued, over HTTP.

    python -m bench.requests [--asked 50]

Serves the site as ``make run`` does, without a worker, on a database of its own, which is
dropped at the end. A signed-in person asks for runs that differ in seed and size, by the form
of a mitigation's page and by REST. *Answered* is from sending the request to the end of the
response; *queued* from sending it until PostgreSQL tells the listening workers, which it does
at commit. The first request after the start is kept apart. Writes ``bench/requests.json``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import queue
import re
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from . import scratch

RESULTS = Path(__file__).with_suffix(".json")
LIMIT_MS = 100
CHANNEL = "procrastinate_any_queue_v1"
MITIGATION = "perplexity-filter"
PAGE, API = f"/mitigations/{MITIGATION}/run/", "/api/v1/runs/"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
Ask = tuple[str, str, dict[str, str]]  # address, body, headers


def main() -> int:
    """Measure, print, store; exit code 1 where the median until queued is over 100 ms."""
    parser = argparse.ArgumentParser(prog="python -m bench.requests")
    parser.add_argument("--asked", type=int, default=50, help="requests by each way")
    asked = parser.parse_args().asked
    with scratch.database():
        found = {**_machine(), **_measured(asked)}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return int(max(found[way]["queued_ms"]["median"] for way in ("page", "api")) > LIMIT_MS)


def _machine() -> dict[str, Any]:
    load, cpus = round(os.getloadavg()[0], 2), len(os.sched_getaffinity(0))
    return {"cpus": cpus, "load": load, "python": platform.python_version()}


def _measured(asked: int) -> dict[str, Any]:
    """Both ways, one after the other, each on a site that has just been started."""
    from django.db import connection

    from kb.loading import load_all

    load_all()
    address = _address(connection.settings_dict)
    found = {}
    for way, made in (("page", _by_page), ("api", _by_api)):
        with _site(address) as port, _told(address) as told:
            found[way] = _times(port, asked, made(), told)
    return found


def _address(settings: dict[str, Any]) -> str:
    parts = urlsplit(os.environ["DATABASE_URL"])
    return parts._replace(path="/" + settings["NAME"]).geturl()


@contextmanager
def _site(address: str) -> Iterator[int]:
    """The port of a site that is ready, served as in production."""
    from kb import supervisor

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "DATABASE_URL": address, "KB_RUN_QUOTA": "1000,10000"}
    process = subprocess.Popen(supervisor.web("127.0.0.1", port, threads=8), env=env)
    try:
        _until_ready(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=15)


def _until_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if _send(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError("The site was not ready within a minute.")


@contextmanager
def _told(address: str) -> Iterator[queue.Queue[float]]:
    """When PostgreSQL said that a job was queued, as a listening worker hears it."""
    import psycopg

    heard: queue.Queue[float] = queue.Queue()
    stop = threading.Event()

    def listen() -> None:
        with psycopg.connect(address, autocommit=True) as listening:
            listening.execute(f"LISTEN {CHANNEL}")
            while not stop.is_set():
                for _ in listening.notifies(timeout=0.2):
                    heard.put(time.perf_counter())

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join()


def _times(
    port: int, asked: int, made: Callable[[int, int], Ask], told: queue.Queue[float]
) -> dict[str, Any]:
    """Milliseconds until queued and until answered; each run is cancelled at once."""
    from evals import operations
    from evals.models import Run

    rows = []
    for number in range(asked + 1):
        path, body, headers = made(port, number)
        start = time.perf_counter()
        status, answer, _ = _send(port, "POST", path, body, headers)
        answered = time.perf_counter() - start
        if status not in {202, 302} or "/runs/" not in answer.get("Location", ""):
            raise RuntimeError(f"Nothing was queued: {status} {answer}")
        rows.append((1000 * (told.get(timeout=5) - start), 1000 * answered))
        for run in Run.objects.filter(status=Run.Status.QUEUED):
            operations.cancel(run_id=run.pk)
    first, rest = rows[0], rows[1:]
    return {
        "asked": asked,
        "queued_ms": _spread([row[0] for row in rest], first[0]),
        "answered_ms": _spread([row[1] for row in rest], first[1]),
    }


def _spread(values: list[float], first: float) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    found = {"median": statistics.median(values), "p95": cuts[-1], "max": max(values)}
    return {name: round(value, 1) for name, value in {**found, "first": first}.items()}


def _by_page() -> Callable[[int, int], Ask]:
    """Asking by the form of a mitigation's page, with its token against forgery."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    user = _person("by-page")
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    signed_in = f"sessionid={session.session_key}"
    kept: dict[str, str] = {}

    def ask(port: int, number: int) -> Ask:
        if not kept:
            form = PAGE.removesuffix("run/")
            _, answer, page = _send(port, "GET", form, headers={"Cookie": signed_in})
            kept["cookie"] = answer["Set-Cookie"].partition(";")[0]
            kept["token"] = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page)[0]
        filled = {"csrfmiddlewaretoken": kept["token"], "seed": number, "n": 30 + number}
        headers = {"Content-Type": FORM, "Cookie": f"{signed_in}; {kept['cookie']}"}
        return PAGE, urlencode(filled), headers

    return ask


def _by_api() -> Callable[[int, int], Ask]:
    """Asking by REST, with a token."""
    from kb.accounts import tokens

    _, text = tokens.make(by=_person("by-api"), name="bench")
    headers = {"Content-Type": JSON, "Authorization": f"Bearer {text}"}

    def ask(port: int, number: int) -> Ask:
        wanted = {"mitigation": MITIGATION, "seed": number, "params": {"n": 30 + number}}
        return API, json.dumps(wanted), headers

    return ask


def _person(name: str) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_user(name)


def _send(
    port: int, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read().decode()
    finally:
        connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
