"""Records that ship: one JSON file a mitigation or stack, with the digests of what made it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = {"origin", "source", "spec_digest", "sha256", "record"}
PLAIN_BYTES = 300_000  # a larger record is compressed


class BadRecord(ValueError):
    """A stored record that cannot be used; the message names the file and the reason."""


def text(record: dict[str, Any]) -> str:
    """A record as canonical JSON (sorted keys, no spaces)."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(record: dict[str, Any]) -> str:
    """sha256 of a record."""
    return hashlib.sha256(text(record).encode()).hexdigest()


def stored(folder: Path) -> list[Path]:
    """The files of a folder of records, by mitigation."""
    return sorted([*folder.glob("*.json"), *folder.glob("*.json.gz")])


def slug(path: Path) -> str:
    """The mitigation of a file; of a stack, both with a plus between them."""
    return path.name.split(".")[0]


def named(spec: Mapping[str, Any]) -> str:
    """How the file of a run is called."""
    return "+".join(filter(None, [spec["mitigation"], spec.get("stack", "")]))


def write(folder: Path, record: dict[str, Any], spec_digest: str, source: str) -> Path:
    """Store a record in place of the one before; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {
        "origin": _origin(record["provenance"]),
        "source": source,
        "spec_digest": spec_digest,
        "sha256": digest(record),
        "record": record,
    }
    content, name = text(kept).encode() + b"\n", f"{named(record['spec'])}.json"
    large = len(content) > PLAIN_BYTES
    path = folder / (f"{name}.gz" if large else name)
    temporary = path.with_suffix(".part")
    temporary.write_bytes(gzip.compress(content, mtime=0) if large else content)
    temporary.replace(path)
    (folder / (name if large else f"{name}.gz")).unlink(missing_ok=True)
    return path


def _origin(made: dict[str, Any]) -> str:
    """Where and when something was measured, for readers."""
    return (
        f"elsewhere: on {made['platform']} with {made['cpu_count']} cores, "
        f"{made['started_at'][:10]}, engine {made['engine_version']}"
    )


def read(path: Path) -> dict[str, Any]:
    """A stored record with its digests; raises BadRecord where it is not whole."""
    try:
        content = path.read_bytes()
        found = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (OSError, ValueError, EOFError) as error:
        raise BadRecord(f"{path.name} cannot be read: {error}") from None
    if not isinstance(found, dict) or set(found) != NAMES:
        raise BadRecord(f"{path.name} has not just {', '.join(sorted(NAMES))}.")
    if digest(found["record"]) != found["sha256"]:
        raise BadRecord(f"{path.name} is not what its sha256 says.")
    return found
