"""How far the neighbours of a suggested paper agree with where rules put it.

Confidence is the share, weighted by cosine similarity, of the ten nearest curated papers
that a curator placed at the same risk, or anywhere under the same category (a k-nearest-
neighbour vote; Cover & Hart 1967). It orders the curators' queue; it decides nothing.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from django.db import transaction

from kb import search
from kb.models import Placement, Provenance
from taxonomy.models import Category

NEIGHBOURS = 10
Place = tuple[str, int]


@transaction.atomic
def rate_suggestions() -> int:
    """Set the confidence of every suggested placement; return how many changed."""
    ids, vectors = search.vectors()
    row = {paper_id: place for place, paper_id in enumerate(ids)}
    curated = _curated_places(row)
    if not curated:
        return 0
    known = np.array([row[paper_id] for paper_id in curated])
    places = list(curated.values())
    changed = []
    for placed in Placement.objects.filter(origin=Provenance.SUGGESTED, paper_id__in=row):
        similarity = vectors[known] @ vectors[row[placed.paper_id]]
        near = np.argsort(-similarity)[:NEIGHBOURS]
        votes = [(float(similarity[i]), _place(placed) in places[i]) for i in near]
        share = round(sum(s for s, yes in votes if yes) / sum(s for s, _ in votes), 3)
        if placed.confidence != share:
            placed.confidence = share
            changed.append(placed)
    Placement.objects.bulk_update(changed, ["confidence"], batch_size=500)
    return len(changed)


def _place(placed: Placement) -> Place:
    return ("risk", placed.risk_id) if placed.risk_id else ("category", placed.category_id or 0)


def _curated_places(row: dict[int, int]) -> dict[int, set[Place]]:
    """{paper id: the risks and categories, with those above, that a curator placed it at}."""
    above = {node.pk: node.tree_path for node in Category.objects.with_tree_fields()}
    found: dict[int, set[Place]] = defaultdict(set)
    curated = Placement.objects.filter(origin=Provenance.CURATED, paper_id__in=row)
    for placed in curated.select_related("risk"):
        found[placed.paper_id].add(_place(placed))
        home = placed.risk.category_id if placed.risk else placed.category_id
        found[placed.paper_id] |= {("category", pk) for pk in above.get(home or 0, [])}
    return dict(found)
