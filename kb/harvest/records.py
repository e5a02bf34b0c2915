"""One paper as a file told of it, whatever the format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from . import identifiers

LONGEST_TEXT = 4000  # of what could not be read, kept to be shown
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
YEAR = re.compile(r"\b(1[89]\d\d|2[01]\d\d)\b")


@dataclass(frozen=True)
class Record:
    """A row of an import: the facts of one paper, or the ``problem`` that it has.

    ``number`` counts rows from 1, ``line`` says where in the file it began. ``extra`` has
    every field that a paper here has no place for, as it was written. ``unread`` is the
    text of a row that could not be read.
    """

    number: int = 0
    line: int = 0
    title: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str = ""
    arxiv_id: str = ""
    doi: str = ""
    url: str = ""
    abstract: str = ""
    summary: str = ""
    tldr: str = ""
    key: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    unread: str = ""

    @property
    def address(self) -> str:
        """The key it goes by here: its own, else made of identifier or title."""
        return self.key or identifiers.key_for(self.arxiv_id, self.doi, self.title)

    def to_dict(self) -> dict[str, Any]:
        """As stored, empty values left out."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """The record that ``to_dict`` stored."""
        known = {name.name for name in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        return cls(**{**given, "authors": tuple(given.get("authors", ()))})


def bad(line: int, problem: str, unread: str = "") -> Record:
    """A row that cannot be used, and why."""
    return Record(line=line, problem=problem, unread=clean(unread)[:LONGEST_TEXT])


def made(line: int, values: Mapping[str, Any], extra: Mapping[str, Any]) -> Record:
    """A record of texts by field; identifiers are also found in addresses and venues."""
    text = {name: one_line(str(value)) for name, value in values.items() if name != "authors"}
    found = [text.get(name, "") for name in ("arxiv_id", "doi", "url", "venue", "eprint")]
    arxiv = next(filter(None, map(identifiers.arxiv_id, found)), "")
    year = YEAR.search(text.get("year", ""))
    own = text.get("doi", "")
    return Record(
        line=line,
        title=text.get("title", ""),
        authors=tuple(one_line(name) for name in values.get("authors", ()) if name.strip()),
        year=int(year.group()) if year else identifiers.year_of(arxiv),
        venue=text.get("venue", ""),
        arxiv_id=arxiv,
        doi=identifiers.doi(own) or identifiers.doi(text.get("url", "")),
        url=text.get("url", ""),
        abstract=text.get("abstract", ""),
        summary=text.get("summary", ""),
        tldr=text.get("tldr", ""),
        key=text.get("key", ""),
        extra=cleaned(extra),
    )


def clean(text: str) -> str:
    """Text that PostgreSQL can hold: no control characters, no halves of a character."""
    return CONTROL.sub("�", text.encode("utf-8", "replace").decode())


def one_line(text: str) -> str:
    """Clean text with its white space collapsed."""
    return " ".join(clean(text).split())


def cleaned(value: Any) -> Any:
    """Clean texts throughout a value as JSON has it."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): cleaned(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(one) for one in value]
    return value if isinstance(value, int | float | bool) or value is None else clean(str(value))


def numbered(records: Iterable[Record]) -> Iterable[Record]:
    """Records with their places, from 1."""
    for number, record in enumerate(records, start=1):
        yield Record(**{**record.__dict__, "number": number})


Reader = Callable[[Any], Iterable[Record]]
