"""Writes of imported evidence: keyword-only, atomic, naming who did it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evals.models import EvidenceImport, ImportedFinding

from . import mapping
from .parts import Finding, Parsed
from .reading import read


class NotMapped(ValueError):
    """A risk or mitigation that is not there, or a finding that is not; the message names it."""


class Known:
    """The slugs that findings may be mapped to."""

    def __init__(self, risks: Collection[str], mitigations: Collection[str]) -> None:
        self.risks, self.mitigations = set(risks), set(mitigations)

    def check(self, risk: str, mitigation: str) -> None:
        """Raises NotMapped unless both are empty or known."""
        for what, name, names in (
            ("risk", risk, self.risks),
            ("mitigation", mitigation, self.mitigations),
        ):
            if name and name not in names:
                raise NotMapped(f"No {what} is called {name[:80]!r}.")


@transaction.atomic
def store(
    *,
    name: str,
    content: bytes,
    by: User | None,
    known: Known,
    note: str = "",
    mitigation: str = "",
    risks: Mapping[str, str] | None = None,
    publish: bool = False,
) -> tuple[EvidenceImport, bool]:
    """Read a file and keep what it says; return (import, whether it is new).

    ``mitigation`` was in place when the tool ran; ``risks`` maps groups to risks and goes
    before the suggestions. The same file is kept once. Raises NotReadable and NotMapped.
    """
    digest = hashlib.sha256(content).hexdigest()
    if found := EvidenceImport.objects.filter(sha256=digest).first():
        return found, False
    given = dict(risks or {})
    for risk in given.values():
        known.check(risk, "")
    known.check("", mitigation)
    parsed = read(content, name)
    if unknown := set(given) - {row.group for row in parsed.findings}:
        raise NotMapped(f"Nothing in this file is called {min(unknown)[:80]!r}.")
    made = _made(name, digest, len(content), parsed, by, note)
    ImportedFinding.objects.bulk_create(
        _row(made, place, row, known, given, mitigation)
        for place, row in enumerate(parsed.findings)
    )
    if publish:
        set_published(found=made, published=True)
    return made, True


def _made(
    name: str, digest: str, size: int, parsed: Parsed, by: User | None, note: str
) -> EvidenceImport:
    return EvidenceImport.objects.create(
        name=name.rpartition("/")[2][:200] or "report",
        sha256=digest,
        size=size,
        tool=parsed.tool,
        tool_version=parsed.version,
        measured_at=parsed.measured_at,
        note=note,
        problems=[{"where": p.where, "reason": p.reason} for p in parsed.problems],
        left_out=parsed.left_out,
        imported_by=by,
    )


def _row(
    made: EvidenceImport,
    place: int,
    row: Finding,
    known: Known,
    given: Mapping[str, str],
    mitigation: str,
) -> ImportedFinding:
    risk, behind = mapping.suggest(made.tool, row.group)
    risk, behind = given.get(row.group, risk), mitigation or behind
    return ImportedFinding(
        source=made,
        position=place,
        risk=risk if risk in known.risks else "",
        mitigation=behind if behind in known.mitigations else "",
        suggested=row.group not in given,
        **{name: getattr(row, name) for name in FIELDS},
    )


FIELDS = (
    "group", "judge", "label", "model", "value", "low", "high", "n", "method", "better", "said",
)  # fmt: skip


@transaction.atomic
def map_findings(
    *, found: EvidenceImport, mapped: Mapping[int, tuple[str, str]], known: Known
) -> int:
    """Set (risk, mitigation) of findings by their position; return how many changed.

    Raises NotMapped, and nothing is changed then.
    """
    rows = {row.position: row for row in found.findings.select_for_update()}
    changed = []
    for position, (risk, mitigation) in mapped.items():
        known.check(risk, mitigation)
        if position not in rows:
            raise NotMapped(f"This import has no finding {position}.")
        row = rows[position]
        if (row.risk, row.mitigation) != (risk, mitigation):
            row.risk, row.mitigation, row.suggested = risk, mitigation, False
            changed.append(row)
    ImportedFinding.objects.bulk_update(changed, ["risk", "mitigation", "suggested"])
    return len(changed)


def set_published(*, found: EvidenceImport, published: bool) -> None:
    """Show an import's mapped findings beside runs, or take them back."""
    found.published_at = timezone.now() if published else None
    found.save(update_fields=["published_at"])


def remove(*, found: EvidenceImport) -> None:
    """Delete an import with its findings."""
    found.delete()


def of(**wanted: Any) -> list[ImportedFinding]:
    """Published findings of a risk or a mitigation, the newest import first."""
    rows = ImportedFinding.objects.filter(source__published_at__isnull=False, **wanted)
    return list(rows.exclude(risk="").select_related("source").order_by("-source", "position"))
