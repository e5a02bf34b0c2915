"""The one door to FAISS: an inner-product index over the vectors in PostgreSQL.

The file under ``var/index`` is a cache with a manifest; it may be thrown away at any time.
Each process holds one index in memory, asks before each search which papers changed (one
small query, see ``_changes``), and takes just those.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Count, Max, QuerySet

from kb.models import Embedding

from . import _shapes
from ._changes import HUB, Reader
from ._embedder import embedder
from ._fusion import no_ids, no_scores
from ._vectors import decode

# The mean of the vectors is taken over so many of them at most.
FOR_THE_MEAN = 10_000


@dataclass(frozen=True)
class State:
    """What PostgreSQL holds, or what an index was made from."""

    model: str
    rows: int
    newest: str

    @classmethod
    def now(cls) -> State:
        """The present state of the vectors in PostgreSQL."""
        found = _rows().aggregate(rows=Count("pk"), newest=Max("updated_at"))
        newest = found["newest"].isoformat() if found["newest"] else ""
        return cls(embedder().name, found["rows"], newest)


def _rows() -> QuerySet[Embedding]:
    return Embedding.objects.filter(model=embedder().name)


class PaperIndex:
    """Paper ids by vector; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state: State | None = None
        self._changes = Reader(HUB)
        self._faiss_index: Any = None
        self._held: set[int] = set()
        self._mean: np.ndarray | None = None
        self._lock = threading.Lock()

    def search(
        self, vector: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> list[tuple[int, float]]:
        """(paper id, cosine) of the ``k`` nearest papers, best first; see ``nearest``."""
        ids, cosines = self.nearest(vector, k, allowed)
        return list(zip(ids.tolist(), cosines.tolist(), strict=True))

    def nearest(
        self,
        vector: np.ndarray,
        k: int,
        allowed: np.ndarray | None = None,
        refresh: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(ids, cosine similarities) of the ``k`` papers nearest to a unit ``vector``.

        ``allowed`` restricts the search itself to these paper ids (int64); the later steps
        of one search need no ``refresh``. ``vector`` has the shape (dimension,).
        """
        with self._lock:
            if refresh or self.state is None:
                self._refresh()
            if self._faiss_index is None or k < 1:
                return no_ids(), no_scores()
            scores, ids = _shapes.search(self._faiss_index, vector, k, allowed)
        return ids[ids >= 0], scores[ids >= 0]

    def refresh(self, ask: bool = True) -> None:
        """Bring the index in memory up to what PostgreSQL holds (see ``Reader.changed``)."""
        with self._lock:
            self._refresh(ask)

    def cosines(self, vector: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(ids, cosines) of these papers, those without a vector left out."""
        with self._lock:
            held = [pk for pk in ids.tolist() if pk in self._held]
            rows = self._rows_of(held)
        return np.array(held, dtype=np.int64), rows @ vector if held else no_scores()

    def vectors(self, ids: Sequence[int]) -> np.ndarray:
        """The vectors of these papers, those without one left out; shape (n, dimension)."""
        with self._lock:
            return self._rows_of([pk for pk in ids if pk in self._held])

    def _rows_of(self, held: list[int]) -> np.ndarray:
        if not held:
            return np.zeros((0, 0), dtype=np.float32)
        return np.asarray(self._faiss_index.reconstruct_batch(np.array(held, dtype=np.int64)))

    def usual(self, vector: np.ndarray) -> float:
        """The mean cosine of all papers to a vector: what an unrelated one has."""
        return 0.0 if self._mean is None else float(self._mean @ vector)

    def vector(self, paper_id: int) -> np.ndarray | None:
        """The vector of one paper, or None where it has none."""
        row = _rows().filter(paper_id=paper_id).values_list("vector", flat=True).first()
        return None if row is None else np.asarray(decode([bytes(row)])[0])

    def rebuild(self) -> State:
        """Build from PostgreSQL and write the file; return what it was built from."""
        with self._lock:
            self._changes.join()
            self._build(State.now())
            self._write()
            assert self.state is not None
            return self.state

    def _refresh(self, ask: bool = True) -> None:
        if self.state is None:
            self._changes.join()
            wanted = State.now()
            if not self._read(wanted):
                self._build(wanted)
        elif changed := self._changes.changed(ask):
            self._take(list(changed))

    def _take(self, changed: list[int]) -> None:
        """Replace the vectors of the papers that changed."""
        try:
            if self._faiss_index is not None:
                _shapes.remove(self._faiss_index, changed)
                self._held -= set(changed)
            self._add(_rows().filter(paper_id__in=changed))
        except Exception:
            self.state = None  # the changes are lost to the feed: build again the next time
            raise

    def _build(self, wanted: State) -> None:
        self._faiss_index, self._held, self._mean = None, set(), None
        self._add(_rows().order_by("paper_id"))
        self.state = wanted

    def _add(self, rows: QuerySet[Embedding]) -> None:
        pairs = list(rows.values_list("paper_id", "vector"))
        if not pairs:
            return
        ids = np.array([pk for pk, _ in pairs], dtype=np.int64)
        matrix = decode([bytes(vector) for _, vector in pairs])
        if self._faiss_index is None:
            self._faiss_index = _shapes.make(matrix)
        self._faiss_index.add_with_ids(matrix, ids)
        self._held |= set(ids.tolist())
        if self._mean is None:
            self._mean = matrix[:FOR_THE_MEAN].mean(axis=0)

    def _read(self, wanted: State) -> bool:
        """Load the file if its manifest is exactly the wanted state."""
        import faiss

        path = self.folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text())
            if (manifest["state"], manifest["kind"]) != (asdict(wanted), _shapes.kind(wanted.rows)):
                return False
            self._faiss_index = faiss.read_index(str(self.folder / manifest["file"]))
        except (OSError, ValueError, KeyError, RuntimeError):
            return False  # missing or damaged: it is built again from PostgreSQL
        _shapes.one_thread()
        ids = np.sort(_shapes.held(self._faiss_index))
        self._held = set(ids.tolist())
        self._mean = self._faiss_index.reconstruct_batch(ids[:FOR_THE_MEAN]).mean(axis=0)
        self.state = wanted
        return True

    def _write(self) -> None:
        """Write index and manifest under temporary names, then move them into place."""
        import faiss

        if self._faiss_index is None or self.state is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"papers.{os.getpid()}.tmp"
        faiss.write_index(self._faiss_index, str(temporary))
        temporary.replace(self.folder / "papers.faiss")
        manifest = {
            "file": "papers.faiss",
            "kind": _shapes.kind(self.state.rows),
            "dimension": self._faiss_index.d,
            "state": asdict(self.state),
        }
        temporary.write_text(json.dumps(manifest, indent=1))
        temporary.replace(self.folder / "manifest.json")


PAPERS = PaperIndex(settings.VAR / "index")
