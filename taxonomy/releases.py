"""Reading releases: rows as they were, the difference of any two, files with hashes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F

from .models import ChangeSet, Release

Row = dict[str, Any]
# By what a row is the same row in two releases.
KEYS: dict[str, tuple[str, ...]] = {
    "answers": ("risk", "mitigation"),
    "mappings": ("risk", "framework", "entry"),
    "placements": ("paper", "risk", "category"),
    "papers": ("key",),
    "proposals": ("paper", "mitigation"),
}
# The first releases named columns by their path in the database.
OLD_NAMES = {
    "parent__slug": "parent",
    "stage__slug": "stage",
    "category__slug": "category",
    "risk__slug": "risk",
    "mitigation__slug": "mitigation",
    "entry__framework__slug": "framework",
    "entry__ident": "entry",
}


def listed() -> Any:
    """Releases without their snapshots, newest first."""
    return Release.objects.defer("snapshot").select_related("created_by")


def release(number: int) -> Release | None:
    """One release with its snapshot."""
    return Release.objects.select_related("created_by").filter(number=number).first()


def without_snapshot(number: int) -> Release | None:
    """One release, its snapshot left in the database."""
    return listed().filter(number=number).first()


def parts(found: Release, *names: str) -> dict[str, list[Row]]:
    """The rows of a release, by part, under today's column names: all, or the named parts.

    A part that the release does not record is left out.
    """
    held = _some(found, names) if names else found.snapshot
    return {
        name: [{OLD_NAMES.get(column, column): v for column, v in row.items()} for row in rows]
        for name, rows in held.items()
        if rows is not None
    }


def _some(found: Release, names: tuple[str, ...]) -> dict[str, Any]:
    """Parts of a snapshot, taken out by the database: the whole is megabytes."""
    taken = {f"part_{name}": F(f"snapshot__{name}") for name in names}
    row = Release.objects.filter(pk=found.pk).values(**taken).get()
    return {name.removeprefix("part_"): rows for name, rows in row.items()}


def key_of(part: str, row: Row) -> str:
    """What a row is called within its part."""
    return " ".join(str(row.get(name) or "–") for name in KEYS.get(part, ("slug",)))


@dataclass
class PartDiff:
    """What differs in one part: names of rows, and for changed ones their fields."""

    part: str
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Rows that differ."""
        return len(self.added) + len(self.removed) + len(self.changed)


def diff(old: Release, new: Release) -> list[PartDiff]:
    """The difference from one release to another, parts without one left out.

    A part that only one of the two records cannot be compared; see ``unlike``.
    """
    before, after = parts(old), parts(new)
    found = [_part(name, before[name], after[name]) for name in after if name in before]
    return [one for one in found if one.count]


def unlike(old: Release, new: Release) -> list[str]:
    """The parts that only one of two releases records."""
    return sorted(old.snapshot.keys() ^ new.snapshot.keys())


def _part(name: str, old: list[Row], new: list[Row]) -> PartDiff:
    before = {key_of(name, row): row for row in old}
    after = {key_of(name, row): row for row in new}
    found = PartDiff(name, sorted(after.keys() - before.keys()))
    found.removed = sorted(before.keys() - after.keys())
    for key in sorted(before.keys() & after.keys()):
        shared = before[key].keys() & after[key].keys()
        fields = {
            column: [before[key][column], after[key][column]]
            for column in sorted(shared)
            if before[key][column] != after[key][column]
        }
        if fields:
            found.changed.append({"key": key, "fields": fields})
    return found


def changesets_in(found: Release) -> list[ChangeSet]:
    """The change sets published after the release before it, up to its making."""
    earlier = Release.objects.filter(number__lt=found.number).first()
    made = ChangeSet.objects.filter(published_at__lte=found.created_at).select_related("author")
    if earlier:
        made = made.filter(published_at__gt=earlier.created_at)
    return list(made[:200])


def files(found: Release) -> dict[str, bytes]:
    """The release as JSON-lines files, one for each part, and ``manifest.json``."""
    made = {f"{name}.jsonl": _lines(rows) for name, rows in found.snapshot.items()}
    made["manifest.json"] = json.dumps(manifest(found, made), indent=2).encode()
    return made


def manifest(found: Release, made: dict[str, bytes] | None = None) -> dict[str, Any]:
    """Digest of the whole, and of each file its sha256, bytes and rows."""
    made = made or {f"{name}.jsonl": _lines(rows) for name, rows in found.snapshot.items()}
    return {
        "release": found.number,
        "created_at": found.created_at.isoformat(),
        "note": found.note,
        "digest": f"sha256:{found.digest}",
        "digest_of": "all parts as one JSON object: sorted keys, no spaces, UTF-8",
        "files": {
            name: {
                "sha256": hashlib.sha256(data).hexdigest(),
                "bytes": len(data),
                "rows": data.count(b"\n"),
            }
            for name, data in made.items()
        },
    }


def _lines(rows: list[Row]) -> bytes:
    return "".join(
        json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows
    ).encode()


def archive(found: Release) -> bytes:
    """All files in one ZIP, the same bytes each time."""
    out = io.BytesIO()
    day = found.created_at.timetuple()[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files(found).items():
            entry = zipfile.ZipInfo(f"safestack-release-{found.number}/{name}", day)
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, data)
    return out.getvalue()
