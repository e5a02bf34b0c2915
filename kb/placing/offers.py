"""Learning from what curators placed, and keeping an offer for every paper that waits."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models import Count

from kb.models import Kind, Offer, Paper, Placement, Provenance, Training
from taxonomy.models import Risk, Status

if TYPE_CHECKING:
    import numpy as np

    from .features import Papers, Risks

VERSION = 2  # of the model: another one learns anew
OFFERED, NEIGHBOURS, FEWEST = 5, 4, 60
LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('placing.offers'))"


@dataclass
class World:
    """Everything the placer reads: papers with a vector, risks, and what curators said."""

    rows: list[Paper]
    vectors: np.ndarray
    risks: list[Risk]
    placed: dict[int, list[tuple[int, str]]]

    def digest(self) -> str:
        """sha256 of all of it."""
        parts: list[Any] = [VERSION, sorted(self.placed.items())]
        parts += [[p.pk, p.text, p.lists] for p in self.rows]
        parts += [[r.pk, r.name, r.aliases, r.definition] for r in self.risks]
        mark = hashlib.sha256(self.vectors.tobytes())
        mark.update(json.dumps(parts).encode())
        return mark.hexdigest()


def refresh() -> int:
    """Learn anew where anything has changed; returns how many offers were written.

    Takes some seconds; returns 0 where nothing changed, where another process is at it, or
    where too few papers have been placed to learn from.
    """
    world = _read()
    digest = world.digest()
    if Training.objects.filter(digest=digest).exists() or len(world.placed) < FEWEST:
        return 0
    start = time.perf_counter()
    offers = _learn(world)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)
        if not cursor.fetchone()[0]:
            return 0
        return _keep(world, digest, offers, time.perf_counter() - start)


def _keep(world: World, digest: str, offers: list[Offer], seconds: float) -> int:
    Training.objects.all().delete()  # and the offers that were made from it
    made = Training.objects.create(
        digest=digest, papers=len(world.placed), risks=len(world.risks), seconds=round(seconds, 2)
    )
    for offer in offers:
        offer.training = made
    Offer.objects.bulk_create(offers, batch_size=500)
    return len(offers)


def _read() -> World:
    from kb import search

    ids, vectors = search.vectors()
    at = {pk: place for place, pk in enumerate(ids)}
    rows = list(Paper.objects.filter(pk__in=at).defer("search").order_by("pk"))
    placed: dict[int, list[tuple[int, str]]] = {}
    curated = Placement.objects.filter(origin=Provenance.CURATED, risk__status=Status.ACTIVE)
    for paper, risk, kind in curated.order_by("pk").values_list("paper_id", "risk_id", "kind"):
        if paper in at:
            placed.setdefault(paper, []).append((risk, kind))
    risks = list(Risk.objects.filter(status=Status.ACTIVE).select_related("category"))
    return World(rows, vectors[[at[paper.pk] for paper in rows]], risks, placed)


def _learn(world: World) -> list[Offer]:
    """Offers for every paper that nobody has placed."""
    import numpy as np

    from .features import Likeness, kernels, near_risks
    from .gain import in_turn
    from .model import fit, predict

    known = [i for i, paper in enumerate(world.rows) if paper.pk in world.placed]
    waiting = [i for i, paper in enumerate(world.rows) if paper.status == Provenance.SUGGESTED]
    waiting = [i for i in waiting if world.rows[i].pk not in world.placed]
    if not waiting:
        return []
    papers, risks = _papers(world), _risks(world)
    likeness = Likeness(papers, risks)
    learnt_from, asked = papers.only(known), papers.only(waiting)
    spaces = likeness.spaces(learnt_from)
    targets, kinds = _said(world, known)
    square = kernels(spaces, spaces)
    learnt = fit(square, near_risks(learnt_from, risks, likeness), targets, kinds)
    del square
    against = kernels(likeness.spaces(asked), spaces)
    sure, of_kind = predict(learnt, against, near_risks(asked, risks, likeness))
    gains = in_turn(sure, *_covered(world.risks))
    return [
        Offer(
            paper=world.rows[place],
            risks=_likeliest(world, sure[i]),
            kind=Kind.values[int(np.argmax(of_kind[i]))],
            neighbours=_nearest(world, known, against["cosine"][i]),
            gain=float(gains[i]),
        )
        for i, place in enumerate(waiting)
    ]


def _papers(world: World) -> Papers:
    from .features import Papers

    return Papers(
        [paper.title for paper in world.rows],
        [paper.text for paper in world.rows],
        [paper.lists for paper in world.rows],
        world.vectors,
    )


def _risks(world: World) -> Risks:
    from kb import search

    from .features import Risks

    names = [[risk.name, *risk.aliases] for risk in world.risks]
    texts, vectors = search.risk_vectors([risk.slug for risk in world.risks])
    return Risks(names, texts, vectors)


def _said(world: World, known: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """(risks (n, r), kinds (n, k)) that curators chose for the known papers."""
    import numpy as np

    column = {risk.pk: place for place, risk in enumerate(world.risks)}
    targets = np.zeros((len(known), len(world.risks)), dtype=bool)
    kinds = np.zeros((len(known), len(Kind.values)), dtype=bool)
    for i, place in enumerate(known):
        for risk, kind in world.placed[world.rows[place].pk]:
            targets[i, column[risk]] = kinds[i, Kind.values.index(kind)] = True
    return targets, kinds


def _covered(risks: list[Risk]) -> tuple[np.ndarray, np.ndarray]:
    """(curated papers of each risk, the number of its stage from nought on)."""
    import numpy as np

    curated = Placement.objects.filter(origin=Provenance.CURATED).order_by()
    by_risk = dict(curated.values_list("risk").annotate(n=Count("paper", distinct=True)))
    own = np.array([by_risk.get(risk.pk, 0) for risk in risks])
    stages = [risk.category.stage_id for risk in risks]
    return own, np.unique(stages, return_inverse=True)[1]


def _likeliest(world: World, sure: np.ndarray) -> list[dict[str, Any]]:
    order = (-sure).argsort()[:OFFERED]
    return [{"risk": world.risks[i].slug, "confidence": round(float(sure[i]), 3)} for i in order]


def _nearest(world: World, known: list[int], cosines: np.ndarray) -> list[dict[str, Any]]:
    slugs = {risk.pk: risk.slug for risk in world.risks}
    found = []
    for i in (-cosines).argsort()[:NEIGHBOURS]:
        paper = world.rows[known[i]]
        risks = [slugs[risk] for risk, _ in world.placed[paper.pk]]
        near = {"key": paper.key, "title": paper.title, "risks": risks}
        found.append({**near, "cosine": round(float(cosines[i]), 3)})
    return found
