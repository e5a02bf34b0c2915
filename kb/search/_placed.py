"""Which paper is placed where, held in memory: what facets count and topics lift.

Each search asks which papers changed (see ``_changes``) and reads the placements of just those.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet

from kb.models import Kind, Paper, Placement, Provenance

from ._changes import HUB, Reader

KINDS = tuple(Kind.values)
# Ids, 0 where there is none; the place of a kind in ``KINDS``; 1 where a curator placed it.
COLUMNS = ("pk", "paper", "risk", "category", "kind", "curated")
ROW = np.dtype([(name, np.int64) for name in COLUMNS])


@dataclass(frozen=True)
class Table:
    """All placements, a ``ROW`` each, and the ids of all papers.

    ``trusted`` says of each of ``papers`` whether a curator placed it.
    """

    rows: np.ndarray
    papers: np.ndarray
    trusted: np.ndarray

    def under(self, risk: int) -> dict[str, np.ndarray]:
        """{origin of the placement: ids of the papers under a risk}."""
        rows = self.rows[self.rows["risk"] == risk]
        sides = {Provenance.CURATED.value: 1, Provenance.SUGGESTED.value: 0}
        found = {origin: rows["paper"][rows["curated"] == is_] for origin, is_ in sides.items()}
        return {origin: papers for origin, papers in found.items() if len(papers)}


class Placements:
    """The table of this process; safe to use from several threads."""

    def __init__(self) -> None:
        self._changes = Reader(HUB)
        self._table: Table | None = None
        self._lock = threading.Lock()

    def table(self, ask: bool = True) -> Table:
        """All placements as PostgreSQL holds them (see ``Reader.changed``); not to be changed."""
        with self._lock:
            if self._table is None:
                self._changes.join()
                self._table = Table(_placements(Placement.objects.all()), *_papers(Paper.objects))
            elif changed := self._changes.changed(ask):
                self._table = self._taken(self._table, list(changed))
            return self._table

    def _taken(self, table: Table, changed: list[int]) -> Table:
        """The table with what it holds of these papers read again."""
        self._table = None  # had the reading failed, all would be read the next time
        rows = _placements(Placement.objects.filter(paper__among=changed))
        # A placement that moved to another paper is noted under that one alone.
        gone = np.isin(table.rows["paper"], changed) | np.isin(table.rows["pk"], rows["pk"])
        left = ~gone, ~np.isin(table.papers, changed)
        papers, trusted = _papers(Paper.objects.filter(pk__among=changed))
        return Table(
            np.concatenate([table.rows[left[0]], rows]),
            np.concatenate([table.papers[left[1]], papers]),
            np.concatenate([table.trusted[left[1]], trusted]),
        )


def _placements(found: QuerySet[Placement]) -> np.ndarray:
    columns = ("pk", "paper_id", "risk_id", "category_id", "kind", "origin")
    rows = [
        (pk, paper, risk or 0, category or 0, KINDS.index(kind), origin == Provenance.CURATED)
        for pk, paper, risk, category, kind, origin in found.order_by().values_list(*columns)
    ]
    return np.array(rows, dtype=ROW)


def _papers(found: Any) -> tuple[np.ndarray, np.ndarray]:
    rows = list(found.order_by().values_list("pk", "status"))
    ids = np.array([pk for pk, _ in rows], dtype=np.int64)
    return ids, np.array([status == Provenance.CURATED for _, status in rows], dtype=bool)


PLACEMENTS = Placements()
