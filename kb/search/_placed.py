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
COLUMNS = ("pk", "paper_id", "risk_id", "category_id", "kind", "origin")


@dataclass(frozen=True)
class Table:
    """All placements, a row each (int64, 0 where there is no id), and all papers.

    ``trusted`` says of each of ``papers`` whether a curator placed it.
    """

    rows: np.ndarray
    papers: np.ndarray
    trusted: np.ndarray

    @property
    def placement(self) -> np.ndarray:
        """Ids of the placements."""
        return self.rows[:, 0]

    @property
    def paper(self) -> np.ndarray:
        """Ids of the papers that are placed."""
        return self.rows[:, 1]

    @property
    def risk(self) -> np.ndarray:
        """Ids of the risks."""
        return self.rows[:, 2]

    @property
    def category(self) -> np.ndarray:
        """Ids of the categories."""
        return self.rows[:, 3]

    @property
    def kind(self) -> np.ndarray:
        """Places in ``KINDS``."""
        return self.rows[:, 4]

    @property
    def curated(self) -> np.ndarray:
        """1 where a curator placed it, 0 where rules did."""
        return self.rows[:, 5]

    def under(self, risk: int) -> dict[str, np.ndarray]:
        """{origin of the placement: ids of the papers under a risk}."""
        rows = self.rows[self.risk == risk]
        origins = {
            Provenance.CURATED.value: rows[:, 5] == 1,
            Provenance.SUGGESTED.value: rows[:, 5] == 0,
        }
        return {origin: rows[held, 1] for origin, held in origins.items() if held.any()}


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
        gone = np.isin(table.paper, changed) | np.isin(table.placement, rows[:, 0])
        left = ~gone, ~np.isin(table.papers, changed)
        papers, trusted = _papers(Paper.objects.filter(pk__among=changed))
        return Table(
            np.concatenate([table.rows[left[0]], rows]),
            np.concatenate([table.papers[left[1]], papers]),
            np.concatenate([table.trusted[left[1]], trusted]),
        )


def _placements(found: QuerySet[Placement]) -> np.ndarray:
    rows = [
        (pk, paper, risk or 0, category or 0, KINDS.index(kind), origin == Provenance.CURATED)
        for pk, paper, risk, category, kind, origin in found.order_by().values_list(*COLUMNS)
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, len(COLUMNS))


def _papers(found: Any) -> tuple[np.ndarray, np.ndarray]:
    rows = list(found.order_by().values_list("pk", "status"))
    ids = np.array([pk for pk, _ in rows], dtype=np.int64)
    return ids, np.array([status == Provenance.CURATED for _, status in rows], dtype=bool)


PLACEMENTS = Placements()
