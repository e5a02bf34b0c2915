"""Facets: what a list of papers can be narrowed by, and how many papers would remain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kb import search
from kb.filters import PaperFilter
from kb.models import Kind, Paper, Placement

from .labels import at, labels

MOST = 12


@dataclass(frozen=True)
class Value:
    """One value that a list can be narrowed to, and how many papers would remain."""

    value: str
    label: str
    count: int
    active: bool


@dataclass(frozen=True)
class Facet:
    """A parameter and its values."""

    name: str
    label: str
    values: list[Value]


def facets(filterset: PaperFilter, among: np.ndarray | None = None) -> list[Facet]:
    """What the list can be narrowed by; each facet is counted without itself.

    ``among`` are the ids of the papers that a search found whatever the filter; None is all.
    """
    counted = _Counted(filterset, among)
    return [
        Facet("stage", "Stage", counted.stages()),
        Facet("kind", "Kind", counted.kinds()),
        Facet("risk", "Risk", counted.risks()),
        Facet("reviewed", "Placement", counted.reviewed()),
    ]


class _Counted:
    """Papers counted by what they are placed under; a search has brought all up to date."""

    def __init__(self, filterset: PaperFilter, among: np.ndarray | None) -> None:
        self.filterset, self.among = filterset, among
        self.table = search.placements(ask=among is None)
        self.labels = labels(search.taxonomy_version(ask=among is None))
        self._kept: dict[str, np.ndarray] = {}

    def stages(self) -> list[Value]:
        """Stages, in their order."""
        rows = self._rows("stage")
        of_risk = at(self.labels.stage_of_risk, rows["risk"])
        places = np.where(
            of_risk >= 0, of_risk, at(self.labels.stage_of_category, rows["category"])
        )
        return self._values("stage", places, dict(enumerate(self.labels.stages)), in_order=True)

    def kinds(self) -> list[Value]:
        """Kinds, the most frequent first."""
        return self._values("kind", self._rows("kind")["kind"], dict(enumerate(Kind.choices)))

    def risks(self) -> list[Value]:
        """Risks, the most frequent first."""
        named = {pk: (risk.slug, risk.name) for pk, risk in self.labels.risk.items()}
        return self._values("risk", self._rows("risk")["risk"], named)

    def reviewed(self) -> list[Value]:
        """Whether a curator placed the paper."""
        left, table = self._papers("reviewed"), self.table
        if self.filterset.placed():
            left = np.unique(self._rows("reviewed")["paper"])
        trusted = table.trusted if left is None else table.trusted[np.isin(table.papers, left)]
        asked = str(self.filterset.data.get("reviewed", "")).lower()
        yes = int(trusted.sum())
        counts = (("true", "placed by a curator", yes),
                  ("false", "suggested by rules", len(trusted) - yes))  # fmt: skip
        return [Value(v, label, n, asked == v) for v, label, n in counts if n or asked == v]

    def _values(
        self,
        name: str,
        codes: np.ndarray,
        labels: dict[int, tuple[str, str]],
        in_order: bool = False,
    ) -> list[Value]:
        """Different papers of each code, as values of a facet."""
        active, papers = self._active(name), self._rows(name)["paper"]
        span = int(papers.max(initial=0)) + 1
        counts = np.bincount(np.unique(codes[codes >= 0] * span + papers[codes >= 0]) // span)
        found = [
            Value(*labels[code], int(counts[code]), labels[code][0] in active)
            for code in np.flatnonzero(counts).tolist()
            if code in labels
        ]
        if not in_order:
            found.sort(key=lambda value: (-value.count, value.value))
        return found[:MOST] + [value for value in found[MOST:] if value.active]

    def _active(self, name: str) -> set[str]:
        data = self.filterset.data
        return set(data.getlist(name) if hasattr(data, "getlist") else data.get(name, ()))

    def _rows(self, name: str) -> np.ndarray:
        """The placements that the filter leaves; without the facet itself where it is active."""
        leave_out = name if self._active(name) else ""
        if leave_out not in self._kept:
            rows, left = self.table.rows, self._papers(leave_out)
            if left is not None:
                rows = rows[np.isin(rows["paper"], left)]
            if placed := self.filterset.placed(leave_out):
                chosen = Placement.objects.filter(placed).order_by().values_list("pk", flat=True)
                rows = rows[np.isin(rows["pk"], list(chosen))]
            self._kept[leave_out] = rows
        return self._kept[leave_out]

    def _papers(self, leave_out: str) -> np.ndarray | None:
        """Ids of the papers that fit, wherever they are placed; None is all."""
        asked = self.filterset.besides(Paper.objects.order_by(), leave_out)
        if not asked.query.where:
            return self.among
        if self.among is not None:
            asked = asked.filter(pk__among=self.among)
        return np.array(asked.values_list("pk", flat=True), dtype=np.int64)
