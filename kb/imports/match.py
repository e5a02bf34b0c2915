"""What a row is beside what is here: new, the same, another version, perhaps the same.

By identifiers first, then by the title without case, accents and signs. Two papers of one
title are still two where both have an arXiv id, or a DOI, and these differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import Q
from django.db.models.functions import Lower

from kb.harvest import identifiers
from kb.harvest.records import Record
from kb.models import Paper, PaperRedirect

from .models import ImportRow

Status, Choice = ImportRow.Status, ImportRow.Choice
# A title of fewer letters may well be another paper's: "Introduction", "A survey".
TELLING = 25
SHORTEST = 8
FILLABLE = ("authors", "venue", "arxiv_id", "doi", "url", "abstract")
SHORT = ("pk", "key", "title", "authors", "year", "venue", "arxiv_id", "doi", "url")


@dataclass
class Verdict:
    """What a row was found to be, why, and what it is the same as."""

    status: ImportRow.Status
    reason: str = ""
    paper: Paper | None = None
    same_row: int | None = None
    similarity: float | None = None

    @property
    def choice(self) -> ImportRow.Choice:
        """What is done with it unless somebody says otherwise."""
        usual = {Status.NEW: Choice.ADD, Status.LINKED: Choice.FILL}
        return usual.get(self.status, Choice.SKIP)


@dataclass
class Known:
    """The papers that rows of one part of a file may be, by identifier, key and title."""

    by: dict[str, Paper] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Sequence[Record], titles: dict[str, int]) -> Known:
        """Look up every candidate of some records; three queries."""
        found = cls()
        wanted = {titles[t] for r in records if (t := _title(r)) in titles}
        arxiv = {r.arxiv_id for r in records} - {""}
        dois = {r.doi.lower() for r in records} - {""}
        keys = {r.address for r in records}
        moved = PaperRedirect.objects.filter(old_key__in=keys).values_list("old_key", "paper_id")
        aliases = dict(moved)
        named = Q(pk__in=wanted | set(aliases.values())) | Q(arxiv_id__in=arxiv) | Q(key__in=keys)
        papers = Paper.objects.annotate(folded=Lower("doi")).filter(named | Q(folded__in=dois))
        rows = {paper.pk: paper for paper in papers.only(*SHORT)}
        for paper in rows.values():
            found.add(paper)
        found.by |= {key: rows[pk] for key, pk in aliases.items() if pk in rows}
        return found

    def add(self, paper: Paper) -> None:
        """Let a paper be found by all that it goes by."""
        names = (paper.key, f"arxiv:{paper.arxiv_id}", f"doi:{paper.doi.lower()}")
        for name in (*names, f"title:{identifiers.plain_title(paper.title)}"):
            if not name.endswith(":"):
                self.by.setdefault(name, paper)


def titles() -> dict[str, int]:
    """{title without case, accents and signs: paper's id} of every paper."""
    rows = Paper.objects.order_by("-pk").values_list("title", "pk")
    return {identifiers.plain_title(title): pk for title, pk in rows.iterator(2000)}


def _title(record: Record) -> str:
    return identifiers.plain_title(record.title)


@dataclass
class Matcher:
    """Judges the records of one file, in order; remembers what stood earlier in it."""

    titles: dict[str, int] = field(default_factory=titles)
    seen: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    def judge(self, records: Sequence[Record]) -> list[Verdict]:
        """A verdict for each record of a part of the file."""
        known = Known.of([r for r in records if not r.problem], self.titles)
        return [self._one(record, known) for record in records]

    def _one(self, record: Record, known: Known) -> Verdict:
        verdict = _beside(record, known)
        if verdict.status is Status.INVALID and not _to_look_up(record):
            return verdict
        if not record.title and verdict.status is Status.INVALID:
            verdict = Verdict(Status.NEW, "Its title is to be looked up.")
        if verdict.status is Status.NEW:
            verdict = self._within(record) or verdict
        self._remember(record)
        return verdict

    def _within(self, record: Record) -> Verdict | None:
        """Whether an earlier row of the file is the same paper."""
        for name in _names(record):
            if name not in self.seen:
                continue
            number, arxiv, doi = self.seen[name]
            if _differ(record.arxiv_id, arxiv) or _differ(record.doi.lower(), doi):
                reason = f"Row {number} has the same title and another identifier."
                return Verdict(Status.POSSIBLE, reason, same_row=number, similarity=1.0)
            adds = (record.arxiv_id and not arxiv) or (record.doi and not doi)
            status = Status.LINKED if adds else Status.DUPLICATE
            return Verdict(status, f"Stands in row {number} already.", same_row=number)
        return None

    def _remember(self, record: Record) -> None:
        for name in _names(record):
            self.seen.setdefault(name, (record.number, record.arxiv_id, record.doi.lower()))


def _names(record: Record) -> Iterable[str]:
    """What two rows of a file are the same by."""
    if record.arxiv_id:
        yield f"arxiv:{record.arxiv_id}"
    if record.doi:
        yield f"doi:{record.doi.lower()}"
    if len(title := _title(record)) >= SHORTEST:
        yield f"title:{title}"


def _to_look_up(record: Record) -> bool:
    return not record.problem and not record.title and bool(record.arxiv_id or record.doi)


def _beside(record: Record, known: Known) -> Verdict:
    """The verdict of one record beside the papers that are here."""
    if record.problem:
        return Verdict(Status.INVALID, record.problem)
    by_arxiv = known.by.get(f"arxiv:{record.arxiv_id}") if record.arxiv_id else None
    by_doi = known.by.get(f"doi:{record.doi.lower()}") if record.doi else None
    if by_arxiv and by_doi and by_arxiv.pk != by_doi.pk:
        reason = f"Its arXiv id is this paper's, its DOI that of {by_doi.key}: merge the two."
        return Verdict(Status.POSSIBLE, reason, by_arxiv)
    by_key = known.by.get(record.key) if record.key else None
    if paper := by_arxiv or by_doi or by_key:
        said = "arXiv id" if by_arxiv else "DOI" if by_doi else "key"
        return _same(record, paper, f"It has the same {said}.")
    if record.title and (paper := known.by.get(f"title:{_title(record)}")):
        return _same_title(record, paper)
    if faults := faults_of(record):
        return Verdict(Status.INVALID, faults)
    return Verdict(Status.NEW)


def _same(record: Record, paper: Paper, reason: str) -> Verdict:
    """The same paper: another version of it, where the row brings an identifier."""
    if record.doi and not paper.doi:
        said = "It is the published version of this preprint." if paper.arxiv_id else reason
        return Verdict(Status.LINKED, f"{said} It adds the DOI.", paper)
    if record.arxiv_id and not paper.arxiv_id:
        return Verdict(Status.LINKED, "It is the preprint of this paper. It adds the id.", paper)
    more = [name for name in FILLABLE if fills(record, paper, name)]
    could = f" It could fill in: {', '.join(more)}." if more else ""
    return Verdict(Status.DUPLICATE, f"{reason}{could}", paper)


def fills(record: Record, paper: Paper, name: str) -> bool:
    """Whether a record has what a paper lacks; an arXiv venue makes room for a published one."""
    new = getattr(record, name)
    if name == "abstract":  # kept out of lists; asked for when it is written
        return False
    old = getattr(paper, name)
    if name == "venue" and old and is_arxiv(old):
        return bool(new) and not is_arxiv(new)
    return bool(new) and not old


def is_arxiv(venue: str) -> bool:
    """Whether a venue only says that something is a preprint."""
    return venue.lower().startswith(("arxiv", "corr", "preprint"))


def _same_title(record: Record, paper: Paper) -> Verdict:
    if _differ(record.arxiv_id, paper.arxiv_id) or _differ(record.doi.lower(), paper.doi.lower()):
        reason = "The title is the same, an identifier is another."
        return Verdict(Status.POSSIBLE, reason, paper, similarity=1.0)
    near = record.year is None or abs(record.year - paper.year) <= 1
    if len(_title(record)) >= TELLING or (near and _share_author(record, paper)):
        return _same(record, paper, "It has the same title.")
    reason = "The title is the same, but short, and the authors are others or unknown."
    return Verdict(Status.POSSIBLE, reason, paper, similarity=1.0)


def _differ(one: str, other: str) -> bool:
    """Whether both are known, and not the same."""
    return bool(one) and bool(other) and one != other


def _share_author(record: Record, paper: Paper) -> bool:
    return bool(shared_authors(record.authors, paper.authors))


def shared_authors(one: Iterable[str], other: Iterable[str]) -> set[str]:
    """The surnames that two lists of authors have in common."""
    left = {identifiers.surname(name) for name in one}
    return (left & {identifiers.surname(name) for name in other}) - {"", "al"}


def faults_of(record: Record) -> str:
    """Why a record cannot become a paper; empty where it can."""
    if not record.title:
        return "There is no title, and no identifier to look one up by."
    if record.year is None:
        return "There is no year, and no arXiv id to tell it from."
    try:
        Paper(**values_of(record, "import")).clean_fields(exclude=["search"])
    except ValidationError as error:
        texts = [f"{name}: {' '.join(said)}" for name, said in error.message_dict.items()]
        return " ".join(texts)
    return ""


def values_of(record: Record, source: str, key: str = "") -> dict[str, Any]:
    """The fields of a new paper; an address that is none goes with what has no place."""
    extra, url = dict(record.extra), record.url
    if url and not _is_address(url):
        extra["url"], url = url, ""
    return {
        "key": key or record.address,
        "title": record.title,
        "authors": list(record.authors),
        "year": record.year,
        "venue": record.venue,
        "arxiv_id": record.arxiv_id,
        "doi": record.doi,
        "url": url,
        "summary": record.summary,
        "tldr": record.tldr,
        "abstract": record.abstract,
        "abstract_source": source if record.abstract else "",
        "extra": extra,
    }


def _is_address(url: str) -> bool:
    try:
        URLValidator(schemes=["http", "https"])(url)
    except ValidationError:
        return False
    return True
