"""What search would find if some papers, placements or terms were otherwise.

A supposition is read inside a transaction that is then taken back; nothing that others
search by is touched. It lies over the live index as a thin layer: what would change is
compared one by one, everything else by the index. Spelling and acronyms stay the live ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db import connection

from kb.models import Paper, Placement
from taxonomy.models import Mitigation, Risk

from ._embedder import embedder
from ._index import PaperIndex
from ._keyword import ROWS, Keywords, Loaded
from ._legs import live
from ._postings import Counts, parse
from ._terms import Term, Terms, read
from ._vectors import STORED, decode
from ._world import Placed, World, grouped


@dataclass
class Supposition:
    """What would be: the present rows are read where ``suppose`` is called.

    ``texts`` are of the papers whose text would change, ``gone`` of those that would not be
    there; ``placed`` has the changed placements by number, None where one would be removed.
    """

    texts: dict[int, str] = field(default_factory=dict)
    counts: dict[int, Counts] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    placed: dict[int, Placed | None] = field(default_factory=dict)
    terms: list[Term] | None = None
    vectors: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def changed(self) -> list[int]:
        """The papers that search would see otherwise."""
        return [*self.texts, *self.gone]


def suppose(papers: Sequence[int], placements: Sequence[int], terms: bool) -> Supposition:
    """Read how these rows are within the open transaction; ``terms`` reads every term."""
    found = Supposition()
    for paper in Paper.objects.only("title", "tldr", "summary", "abstract").filter(pk__in=papers):
        found.texts[paper.pk] = paper.text
    found.gone = [pk for pk in papers if pk not in found.texts]
    with connection.cursor() as cursor:
        cursor.execute(f"{ROWS} WHERE id = ANY(%s)", [list(found.texts)])
        found.counts = {row[0]: parse(row[-1]) for row in cursor}
    found.placed = dict.fromkeys(placements)
    rows = Placement.objects.filter(pk__in=placements, risk__isnull=False).order_by()
    for pk, paper_id, slug, name, origin in rows.values_list(
        "pk", "paper_id", "risk__slug", "risk__name", "origin"
    ):
        found.placed[pk] = ([paper_id], slug, name, origin)
    if terms:
        found.terms = [*read(Risk), *read(Mitigation)]
    return found


def world(supposed: Supposition) -> World:
    """The world of a supposition; embeds the texts that are new. Raises EmbedderError."""
    now = live()
    if supposed.texts:
        new = embedder().encode(list(supposed.texts.values()))
        kept = decode([vector.astype(STORED).tobytes() for vector in new])
        supposed.vectors = dict(zip(supposed.texts, kept, strict=True))
    terms = SupposedTerms(now.terms, supposed.terms) if supposed.terms is not None else now.terms
    return World(
        SupposedPapers(now.papers, supposed),
        SupposedWords(now.words.supposing(supposed.changed, supposed.counts)),
        terms,
        lambda risks: _placed(supposed, now, set(risks)),
    )


def _placed(supposed: Supposition, now: World, risks: set[str]) -> Iterable[Placed]:
    """The live placements under some risks, with the supposed ones in place of theirs."""
    if not supposed.placed:
        return now.placed(risks)
    left = Placement.objects.filter(risk__slug__in=risks).exclude(pk__in=supposed.placed)
    return [*grouped(left), *(row for row in supposed.placed.values() if row and row[1] in risks)]


class SupposedPapers(PaperIndex):
    """The live index, save the papers of a supposition."""

    def __init__(self, now: PaperIndex, supposed: Supposition) -> None:
        super().__init__(now.folder)
        self.now, self.new, self.away = now, supposed.vectors, set(supposed.changed)

    def nearest(
        self,
        vector: np.ndarray,
        k: int,
        allowed: np.ndarray | None = None,
        refresh: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """As the live index does; the supposed papers are compared one by one."""
        ids, cosines = self.now.nearest(vector, k + len(self.away), allowed, refresh)
        stays = ~np.isin(ids, list(self.away))
        new = set(self.new) if allowed is None else set(self.new) & set(allowed.tolist())
        return self._with(new, vector, ids[stays], cosines[stays], k)

    def _with(
        self, new: Iterable[int], vector: np.ndarray, ids: np.ndarray, cosines: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best ``k`` of what was found and of the supposed papers ``new``."""
        more = {pk: float(self.new[pk] @ vector) for pk in new}
        ids = np.concatenate([ids, np.array(list(more), dtype=np.int64)])
        cosines = np.concatenate([cosines, np.array(list(more.values()), dtype=np.float32)])
        order = np.argsort(-cosines, kind="stable")[:k]
        return ids[order], cosines[order]

    def cosines(self, vector: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(ids, cosines) of these papers, those without a vector left out."""
        held, found = self.now.cosines(vector, ids[~np.isin(ids, list(self.away))])
        new = [pk for pk in ids.tolist() if pk in self.new]
        return self._with(new, vector, held, found, len(held) + len(new))

    def vectors(self, ids: Sequence[int]) -> np.ndarray:
        """The vectors of these papers, those without one left out."""
        rows = [self.now.vectors([pk for pk in ids if pk not in self.away])]
        rows += [self.new[pk][None, :] for pk in ids if pk in self.new]
        filled = [part for part in rows if len(part)]
        return np.concatenate(filled) if filled else rows[0]

    def usual(self, vector: np.ndarray) -> float:
        """A handful of papers does not move the mean of all."""
        return self.now.usual(vector)


class SupposedWords(Keywords):
    """The keyword leg over a reading that does not follow the database."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__()
        self._loaded = loaded

    def fresh(self, ask: bool = True) -> Loaded:
        """The reading it was made with."""
        return self.current()


class SupposedTerms(Terms):
    """Terms as they would be; only those whose text is new are embedded."""

    def __init__(self, now: Terms, terms: list[Term]) -> None:
        super().__init__()
        self._terms = terms
        known = dict(zip(now.texts(), now.vectors(), strict=True))
        missing = [term.text for term in terms if term.text not in known]
        if missing:
            known |= dict(zip(missing, embedder().encode(missing), strict=True))
        self._vectors = np.stack([known[term.text] for term in terms]) if terms else None

    def _refresh(self) -> None:
        """It stays as it was made."""
