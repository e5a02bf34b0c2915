"""Merging two papers that are one: fields chosen, the other address kept, all of it undoable."""

from __future__ import annotations

from typing import Any

from kb.models import Paper, PaperRedirect, Placement, Provenance
from taxonomy.kinds import get, referring
from taxonomy.operations.actions import Action, target
from taxonomy.operations.errors import Invalid
from taxonomy.operations.structure import repoint
from taxonomy.operations.values import decode, encode, find
from taxonomy.operations.writer import Writer

# What the paper that stays takes over where it has nothing itself.
FILLED = (
    "authors",
    "venue",
    "arxiv_id",
    "doi",
    "url",
    "tldr",
    "summary",
    "summary_basis",
    "abstract",
    "abstract_source",
    "survey_cited",
)


def onward(key: str) -> str:
    """The key under which a merged paper lives on."""
    found = PaperRedirect.objects.filter(old_key=key).values_list("paper__key", flat=True).first()
    return found or key


def merge(writer: Writer, action: Action) -> None:
    """Merge a paper ``into`` another; ``fields`` of the one that stays may be chosen.

    What it lacks is filled in from the other. Placements and proposals go over; where both
    stand at the same place, a curator's placement stays before a rule's. The old key leads
    to the paper that stays. Raises Invalid, Missing, Conflict.
    """
    given = dict(action.fields)
    into, into_version = given.pop("into", None), given.pop("into_version", None)
    chosen = given.pop("fields", {})
    if given or not isinstance(chosen, dict):
        raise Invalid({"fields": "Say into, into_version and fields, and no more."})
    kind, gone = target(writer, action, {})
    heir = _heir(writer, gone, into, into_version)
    wanted = _filled(gone, heir) | decode(kind, chosen, kind.editable)
    old_key = gone.key
    _hand_over(writer, gone, heir)
    writer.delete(kind, gone)
    writer.update(kind, heir, wanted)
    writer.create(get("redirect"), {"old_key": old_key, "paper": heir})


def _heir(writer: Writer, gone: Paper, into: Any, version: Any) -> Paper:
    heir: Paper = find(get("paper"), str(into or ""), lock=True)
    if heir.pk == gone.pk:
        raise Invalid({"into": "A paper cannot be merged with itself. Choose another."})
    if version is not None:
        target(writer, Action("merge", "paper", heir.key, {}, version), {})
    return heir


def _filled(gone: Paper, heir: Paper) -> dict[str, Any]:
    """What the heir takes over unasked: values for its empty fields, and every list."""
    found = {name: getattr(gone, name) for name in FILLED if _lacks(heir, name)}
    found = {name: value for name, value in found.items() if value not in ("", [], None)}
    found["lists"] = sorted({*heir.lists, *gone.lists})
    found["extra"] = {**gone.extra, **heir.extra}
    if gone.status == Provenance.CURATED:
        found["status"] = Provenance.CURATED.value
    return found


def _lacks(paper: Paper, name: str) -> bool:
    owner = {"summary_basis": "summary", "abstract_source": "abstract"}.get(name, name)
    return getattr(paper, owner) in ("", [], None)


def _hand_over(writer: Writer, gone: Paper, heir: Paper) -> None:
    """Everything that points at one paper points at the other."""
    _prefer_curated(writer, gone, heir)
    for kind, name in referring(Paper):
        rows = kind.model._default_manager.filter(**{name: gone}).order_by("pk")
        repoint(writer, kind, name, list(rows), heir)


def _prefer_curated(writer: Writer, gone: Paper, heir: Paper) -> None:
    """Of two placements at one place the rule's makes room for the curator's."""
    better = {
        (placed.risk_id, placed.category_id)
        for placed in gone.placements.filter(origin=Provenance.CURATED)
    }
    for placed in Placement.objects.filter(paper=heir, origin=Provenance.SUGGESTED):
        if (placed.risk_id, placed.category_id) in better:
            writer.delete(get("placement"), placed)


def both(gone: Paper, heir: Paper) -> list[tuple[str, Any, Any, bool]]:
    """(field, value of the one that goes, of the one that stays, whether the latter is empty)."""
    kind = get("paper")
    rows = [(n, encode(gone, n), encode(heir, n), _lacks(heir, n)) for n in kind.editable]
    return [row for row in rows if row[1] != row[2] and row[1] not in ("", [], None)]
