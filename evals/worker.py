"""Running the engine for one run: a subprocess with limits, watched and killable."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from . import addresses, operations
from .engine import endpoints
from .engine.endpoints import key_variable
from .models import Run, Target

WALL_SECONDS = int(os.environ.get("KB_RUN_SECONDS", "1800"))
MEMORY_BYTES = int(os.environ.get("KB_RUN_BYTES", str(12 * 1024**3)))
POLL_SECONDS = 1.0
TARGET_FAILED = 1  # the engine's exit code
LOGS = "logs"
LOG_BYTES = 64 * 1024**2  # kept of one run's Inspect logs
KEPT = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "PYTHONPATH", "SAFESTACK_THREADS")


Show = Callable[[int, int, str], None]


def _silent(done: int, total: int, step: str) -> None:
    """Progress that nobody watches here; it stands in the database all the same."""


# Set where the worker is asked to stop: the run in its hands goes back to the queue.
STOP = threading.Event()


class Stopped(Exception):
    """The run was cancelled while it was running."""


class GivenBack(Exception):
    """The worker stops in the middle of the run."""


class NotRegistered(Exception):
    """The endpoint of a run is not, or no longer, what an administrator registered."""


def measure(run_id: uuid.UUID, show: Show = _silent) -> None:
    """Take the run, measure it, store the record or the reason why there is none."""
    run = operations.start(run_id=run_id)
    if run is None:
        return
    try:
        result, logs = _run_engine(run, show)
    except Stopped:
        return
    except GivenBack:
        operations.give_back(run=run)
        return
    except Exception as error:
        operations.fail(run=run, error=str(error) or type(error).__name__)
        return
    operations.finish(run=run, result=result, logs=logs)


def _run_engine(run: Run, show: Show) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Run the engine on the run's specification; return its record and its Inspect logs."""
    check_endpoint(run)
    with tempfile.TemporaryDirectory(prefix="safestack-run-") as name:
        folder = Path(name)
        spec, out, errors = folder / "spec.json", folder / "result.json", folder / "stderr"
        spec.write_text(json.dumps(run.spec))
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                _command(spec, out, run.spec.get("endpoint")),
                stdout=subprocess.PIPE,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                cwd=settings.BASE_DIR,
                env=_environment(folder, run.target),
                start_new_session=True,
                text=True,
            )
            _watch(run, process, show)
        if process.returncode != 0 or not out.exists():
            raise RuntimeError(_reason(run, process.returncode, errors))
        return json.loads(out.read_text()), _logs(folder / LOGS)


def _logs(folder: Path) -> dict[str, bytes]:
    """The Inspect logs of a run by name, as many as may be kept."""
    found, left = {}, LOG_BYTES
    for path in sorted(folder.glob("*.eval")):
        if path.stat().st_size <= left:
            found[path.name] = path.read_bytes()
            left -= len(found[path.name])
    return found


def check_endpoint(run: Run) -> None:
    """See that a run's endpoint is registered as it was asked for, and where its name leads.

    Raises NotRegistered or BadAddress. A run against a bundled model has none.
    """
    target, asked = run.target, run.spec.get("endpoint") or {}
    if not asked and target.kind == Target.Kind.BUNDLED:
        return
    known = endpoints.checked(target.endpoint) if target.endpoint and target.active else {}
    if asked != known:
        raise NotRegistered(
            f"{target.name} is not registered any more as it was when this run was asked for."
        )
    addresses.check(target.base_url, local=settings.LOCAL_ENDPOINTS)


def _command(spec: Path, out: Path, endpoint: dict[str, Any] | None) -> list[str]:
    """The engine under limits; only a run against an endpoint may use the network."""
    limits = [f"--seconds={WALL_SECONDS}", f"--bytes={MEMORY_BYTES}"]
    if endpoint:
        local = addresses.is_local(endpoint["base_url"])
        limits += ["--network", "--local"] if local else ["--network"]
    engine = ["run", "--spec", str(spec), "--out", str(out)]
    return [sys.executable, "-m", "evals.confine", *limits, "--", *engine]


def _environment(folder: Path, target: Target) -> dict[str, str]:
    """What the engine may know: no database, a home of its own, the key of its target alone."""
    wanted = [*KEPT]
    if target.kind == Target.Kind.ENDPOINT:
        wanted.append(key_variable(target.slug))
    kept = {name: os.environ[name] for name in wanted if name in os.environ}
    own = {"HOME": str(folder), "TMPDIR": str(folder), "SAFESTACK_VAR": str(settings.VAR)}
    own["SAFESTACK_LOGS"] = str(folder / LOGS)
    return {**kept, **own, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def _watch(run: Run, process: subprocess.Popen[str], show: Show) -> None:
    """Pass progress on until the engine ends; raises Stopped, GivenBack or TimeoutError."""
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        _follow(run, process, lines, show)
    finally:
        _kill(process)
        reader.join(timeout=5)
        process.stdout.close()


def _follow(run: Run, process: subprocess.Popen[str], lines: queue.Queue[str], show: Show) -> None:
    deadline = time.monotonic() + WALL_SECONDS
    progress: dict[str, Any] = {"done": 0, "total": 0, "step": "starting"}
    while process.poll() is None or not lines.empty():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The run took longer than {WALL_SECONDS} s and was stopped.")
        if STOP.is_set():
            raise GivenBack
        progress = _latest(lines) or progress
        show(progress["done"], progress["total"], progress["step"])
        if not operations.report(run=run, **progress):
            raise Stopped


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)


def _latest(lines: queue.Queue[str]) -> dict[str, Any] | None:
    """The newest progress line that arrives within a poll, or None."""
    try:
        line = lines.get(timeout=POLL_SECONDS)
        while not lines.empty():
            line = lines.get_nowait()
        found = json.loads(line)
        return {"done": found["done"], "total": found["total"], "step": str(found["step"])}
    except (queue.Empty, ValueError, KeyError, TypeError):
        return None


def _kill(process: subprocess.Popen[str]) -> None:
    """End the engine and every child of it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _reason(run: Run, code: int, errors: Path) -> str:
    """Why the engine ended without a record: its own last words, or how it was ended."""
    words = errors.read_text(errors="replace").strip().splitlines()
    if code == -signal.SIGKILL:
        return "The engine was killed, most likely for using more memory than it may."
    if code == -signal.SIGXCPU:
        return "The engine used more processor time than it may."
    if not words:
        return f"The engine ended with code {code} and no message."
    said = words[-1].removeprefix("evals.engine: ")[:500]
    far = run.spec.get("endpoint", {}).get("base_url")
    return f"At {far}: {said}" if far and code == TARGET_FAILED else said
