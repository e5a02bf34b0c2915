"""What a curator makes of an offer: one undoable edit, and a note of how good the offer was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from evals.engine.statistics import Interval, wilson
from kb.models import Decision, Kind, Offer, Paper, Placement, Provenance
from taxonomy.kinds import get
from taxonomy.models import ChangeSet
from taxonomy.operations import Action, Invalid, perform
from taxonomy.operations.actions import handles, require, target
from taxonomy.operations.nodes import not_to_retired
from taxonomy.operations.values import decode
from taxonomy.operations.writer import Writer, again_after_collision

SURE = 0.45  # from here on a risk beside the first is ticked already
TICKED, MOST, COUNTED = 3, 10, 5000
Verdict = Decision.Verdict


@handles("place")
def place(writer: Writer, action: Action) -> None:
    """Place a paper under ``risks`` as a ``kind``, with ``evidence``; what rules said goes.

    Without risks it only removes what rules said.
    """
    if action.kind != "paper":
        raise Invalid({"kind": "Only papers are placed."})
    given = dict(action.fields)
    names = given.pop("risks", [])
    if not isinstance(names, list) or len(names) > MOST:
        raise Invalid({"risks": f"Give a list of at most {MOST} risks."})
    spec, paper = target(writer, action, {})
    kind = get("placement")
    wanted = {"origin": "curated", **decode(kind, given, ("kind", "evidence"))}
    chosen = [decode(kind, {"risk": name}, ("risk",))["risk"] for name in dict.fromkeys(names)]
    there = {p.risk_id: p for p in Placement.objects.select_for_update().filter(paper=paper)}
    for risk in chosen:
        not_to_retired({"risk": risk})
        if risk.pk in there:
            writer.update(kind, there[risk.pk], wanted)
        else:
            writer.create(kind, {"paper": paper, "risk": risk, **wanted})
    kept = {risk.pk for risk in chosen}
    for row in there.values():
        if row.origin == Provenance.SUGGESTED and row.risk_id not in kept:
            writer.delete(kind, row)
    if chosen:
        writer.update(spec, paper, {"status": Provenance.CURATED.value})


def ticked(offer: Offer) -> list[str]:
    """The risks of an offer that accepting it means: the first, and others it is sure of."""
    first = offer.risks[:TICKED]
    return [r["risk"] for i, r in enumerate(first) if i == 0 or r["confidence"] >= SURE]


@again_after_collision
def decide(
    *,
    paper: Paper,
    by: Any,
    verdict: str,
    version: int,
    risks: Sequence[str] = (),
    kind: str = "",
    note: str = "",
) -> Decision:
    """Accept (with whatever risks and kind were chosen), reject or skip the offer of a paper.

    Accepting what was not offered counts as changed. Raises NotAllowed, Invalid, Missing,
    Conflict; nothing is written then.
    """
    require(by, "edit_live")
    offer = Offer.objects.filter(paper=paper).first()
    made = Decision(paper=paper, by=by, verdict=_verdict(offer, verdict, risks, kind))
    if offer:
        made.offered, made.offered_kind = offer.risks, offer.kind
    if verdict == "accept":
        made.chosen, made.kind = list(dict.fromkeys(risks)), kind
    with transaction.atomic():
        if verdict != "skip":
            made.changeset = _write(made, by, version, note)
        made.save()
    return made


def _verdict(offer: Offer | None, asked: str, risks: Sequence[str], kind: str) -> str:
    """What it counts as; raises Invalid where the choice is none."""
    if asked in ("skip", "reject"):
        return Verdict.SKIPPED if asked == "skip" else Verdict.REJECTED
    errors = {}
    if asked != "accept":
        errors["verdict"] = "One of accept, reject and skip."
    elif not risks:
        errors["risks"] = "Choose at least one risk, or reject the paper."
    if kind not in Kind.values:
        errors["kind"] = f"One of: {', '.join(Kind.values)}."
    if errors:
        raise Invalid(errors)
    same = offer is not None and set(risks) == set(ticked(offer)) and kind == offer.kind
    return Verdict.ACCEPTED if same else Verdict.CHANGED


def _write(made: Decision, by: Any, version: int, note: str) -> ChangeSet | None:
    fields: dict[str, Any] = {}
    if made.chosen:
        fields = {"risks": made.chosen, "kind": made.kind, **({"evidence": note} if note else {})}
    action = Action("place", "paper", made.paper.key, fields, version)
    why = note or f"What was suggested is {made.get_verdict_display()}."
    title = f"Place “{made.paper.title}”"
    return perform(action=action, by=by, note=why, title=title).changeset


def standing() -> QuerySet[Decision]:
    """Decisions that have not been undone since."""
    undone = ChangeSet.objects.filter(
        reverts=OuterRef("changeset"), state=ChangeSet.State.PUBLISHED
    )
    return Decision.objects.exclude(Exists(undone))


def queue(by: Any) -> QuerySet[Offer]:
    """Offers of papers nobody has placed or rejected, by what helps coverage most.

    What somebody has skipped comes last for them.
    """
    rejected = standing().filter(paper=OuterRef("paper"), verdict=Verdict.REJECTED)
    mine = Decision.objects.filter(paper=OuterRef("paper"), verdict=Verdict.SKIPPED, by=by)
    found = Offer.objects.filter(paper__status=Provenance.SUGGESTED).exclude(Exists(rejected))
    return found.annotate(skipped=Exists(mine)).order_by("skipped", "-gain", "paper__key")


def precision() -> dict[str, Any]:
    """How good the offers were, by what curators made of them; shares with intervals."""
    counted = standing().exclude(verdict=Verdict.SKIPPED).exclude(offered=[])
    columns = ("verdict", "offered", "chosen", "offered_kind", "kind")
    rows = list(counted.values_list(*columns)[:COUNTED])
    placed = [row for row in rows if row[0] != Verdict.REJECTED]
    return {
        "decided": len(rows),
        "accepted": _share([row[0] == Verdict.ACCEPTED for row in rows]),
        "first": _share([_hit(row[1][:1], row[2]) for row in rows]),
        "three": _share([_hit(row[1][:3], row[2]) for row in rows]),
        "kind": _share([row[3] == row[4] for row in placed]),
    }


def _hit(offered: list[dict[str, Any]], chosen: list[str]) -> bool:
    return any(one["risk"] in chosen for one in offered)


def _share(hits: list[bool]) -> Interval | None:
    return wilson(sum(hits), len(hits)) if hits else None
