"""The curators' queue: the next paper with what its page shows, and how good offers are."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django.conf import settings

from kb.models import Kind, Offer
from kb.placing import decisions
from taxonomy.models import Risk, Status

from . import papers

RESULTS = settings.BASE_DIR / "bench/suggest/results.json"


def waiting(by: Any, key: str = "") -> dict[str, Any]:
    """The next offer (or that of ``key``) with its paper, risks and kinds; and how many wait."""
    found = decisions.queue(by)
    count = found.count()
    offer = found.filter(paper__key=key).first() if key else found.first()
    context: dict[str, Any] = {"count": count, "precision": decisions.precision()}
    return {**context, "bench": measured(), **(_shown(offer) if offer else {"offer": None})}


def _shown(offer: Offer) -> dict[str, Any]:
    known = {r.slug: r for r in Risk.objects.filter(status=Status.ACTIVE).order_by("name")}
    ticked = set(decisions.ticked(offer))
    offered = [
        {"risk": known[r["risk"]], "confidence": r["confidence"], "ticked": r["risk"] in ticked}
        for r in offer.risks
        if r["risk"] in known
    ]
    near = [
        {**one, "risks": [known[slug] for slug in one["risks"] if slug in known]}
        for one in offer.neighbours
    ]
    names = {row["risk"] for row in offer.risks}
    return {
        "offer": offer,
        "paper": papers.papers().get(pk=offer.paper_id),
        "offered": offered,
        "near": near,
        "others": [risk for slug, risk in known.items() if slug not in names],
        "kinds": Kind.choices,
    }


@lru_cache(maxsize=1)
def measured() -> dict[str, Any] | None:
    """The stored measurement of the suggestions, or None where there is none."""
    if not RESULTS.exists():
        return None
    stored: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = [("keyword rules alone", stored["keyword rules alone"]), *stored["worlds"].items()]
    wanted = ("risk top-1", "risk top-3", "kind")
    return {
        **stored,
        "rows": [(name, [found.get(measure) for measure in wanted]) for name, found in rows],
    }
