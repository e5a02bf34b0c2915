"""From the bytes of a file to findings: which tool wrote it, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import garak, inspect_log, promptfoo
from .parts import NotReadable, Parsed

MOST_BYTES = 20 * 1024**2
ZIP = b"PK\x03\x04"
SECONDS, MEMORY = 120, 4 * 1024**3
ROOT = Path(__file__).resolve().parents[2]


def read(content: bytes, name: str = "") -> Parsed:
    """A garak report, an Inspect log (``.eval`` or JSON) or a promptfoo result.

    Which of them it is, is seen from what it holds, not from its name. Raises NotReadable.
    """
    if len(content) > MOST_BYTES:
        raise NotReadable(f"The file is larger than {MOST_BYTES // 1024**2} MB.")
    if not content.strip():
        raise NotReadable("The file is empty.")
    if content.startswith(ZIP):
        return inspect_log.read(_through_engine(content, ".eval"))
    try:
        words = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotReadable("The file is neither UTF-8 text nor an Inspect log.") from None
    whole = _whole(words)
    if whole is None:
        return _lines(words)
    if "eval" in whole and "status" in whole:
        return inspect_log.read(_through_engine(content, ".json"))
    return promptfoo.read(whole) if "entry_type" not in whole else _lines(words)


def _whole(words: str) -> dict[str, Any] | None:
    """The file as one JSON object; None where it is not one."""
    try:
        found = json.loads(words)
    except (json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(found, dict):
        raise NotReadable("This JSON is no object: neither garak, Inspect nor promptfoo write it.")
    return found


def _lines(words: str) -> Parsed:
    """A garak report; raises NotReadable where no line is one of garak's."""
    if '"entry_type"' not in words:
        raise NotReadable("This is neither a garak report, an Inspect log nor a promptfoo result.")
    parsed = garak.read(words)
    if not parsed.findings and not parsed.problems:
        raise NotReadable("This garak report has neither attempts nor evaluations.")
    return parsed


def _through_engine(content: bytes, ending: str) -> dict[str, Any]:
    """What the engine reads from an Inspect log, in a process with limits and no network."""
    with tempfile.TemporaryDirectory(prefix="safestack-import-") as folder:
        given, out = Path(folder) / f"log{ending}", Path(folder) / "scores.json"
        given.write_bytes(content)
        limits = [f"--seconds={SECONDS}", f"--bytes={MEMORY}"]
        engine = ["scores", "--log", str(given), "--out", str(out)]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "evals.confine", *limits, "--", *engine],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise NotReadable(f"Inspect took longer than {SECONDS} s to read this log.") from None
        if done.returncode != 0 or not out.exists():
            words = done.stderr.strip().splitlines() or ["The log could not be read."]
            raise NotReadable(words[-1].removeprefix("evals.engine: ")[:300])
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found
