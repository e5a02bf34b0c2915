"""CSV, JSON lines, CSL-JSON and our own JSON, row by row."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from .records import Record, bad, made

LONGEST_CELL = 1_000_000
# A spreadsheet's formula, behind the apostrophe that exports put before it.
GUARDED = re.compile(r"'+[=+\-@\t\r\n]")
# What a column or a key may be called; compared without case, spaces and signs.
CALLED = {
    "title": ("title", "papertitle", "articletitle", "documenttitle", "name"),
    "authors": ("authors", "author", "authornames", "creators"),
    "year": ("year", "publicationyear", "date", "pubyear", "published", "issued"),
    "venue": ("venue", "journal", "booktitle", "containertitle", "publicationtitle",
              "sourcetitle", "conference"),
    "arxiv_id": ("arxivid", "arxiv", "eprint"),
    "doi": ("doi",),
    "url": ("url", "link", "pdfurl"),
    "abstract": ("abstract", "abstractnote"),
    "summary": ("summary",),
    "tldr": ("tldr",),
    "key": ("key",),
}  # fmt: skip
KNOWN = {called: name for name, names in CALLED.items() for called in names}
# A name in quotes, as within a cell of CSV: an inner quote is written twice.
QUOTED = re.compile(r'\s*"((?:[^"]|"")+)"\s*(?:;|$)')
KEY = re.compile(r"(arxiv|doi):\S+|[a-z0-9][a-z0-9-]{2,99}")


def read_csv(lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    """A record for every row under a line of names; commas, semicolons or tabs."""
    place = _Place(lines)
    csv.field_size_limit(LONGEST_CELL)
    first = next(place, "")
    try:
        names = [name.strip() for name in next(csv.reader([first], delimiter=_sign(first)))]
    except (csv.Error, StopIteration):
        names = []
    if not {_known(name) for name in names} & {"title", "arxiv_id", "doi"}:
        yield bad(1, "The first line names no column title, arxiv_id or doi.", first)
        return
    rows = csv.reader(place, delimiter=_sign(first))
    while True:
        start = place.number + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield bad(start, f"No row of a table: {error}.")
            continue
        if any(cell.strip() for cell in cells):
            yield _row(start, names, cells)


class _Place:
    """Lines, and the number of the last one read."""

    def __init__(self, lines: Iterable[tuple[int, str]]) -> None:
        self.lines = iter(lines)
        self.number = 0

    def __iter__(self) -> _Place:
        return self

    def __next__(self) -> str:
        self.number, text = next(self.lines)
        return text


def _sign(line: str) -> str:
    return max(",;\t", key=line.count)


def _row(line: int, names: list[str], cells: list[str]) -> Record:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return bad(line, f"{len(cells)} cells under {len(names)} names.", ",".join(cells))
    return _plain(line, dict(zip(names, map(_unguarded, cells), strict=False)), "csv")


def _unguarded(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from running it."""
    return cell[1:] if GUARDED.match(cell) else cell


def read_jsonl(lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    """A record for every line that holds a JSON object."""
    for number, text in lines:
        if not text.strip():
            continue
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            yield bad(number, "The line is no JSON.", text)
            continue
        yield item(number, found)


def read_json(stream: IO[bytes]) -> Iterator[Record]:
    """A record for every item of a JSON list: CSL-JSON, or our own export.

    After a fault nothing more of the file can be read; the last record says so.
    """
    import ijson

    head = stream.read(1)
    while head.isspace() or head in (b"\xef", b"\xbb", b"\xbf"):
        head = stream.read(1)
    path = "item" if head == b"[" else "papers.item"
    number = 0
    try:
        for number, found in enumerate(ijson.items(_Again(head, stream), path, use_float=True), 1):
            yield item(number, found)
    except (ijson.JSONError, UnicodeDecodeError, ValueError, RecursionError) as error:
        yield bad(number + 1, f"From here on the file is no JSON: {str(error).splitlines()[0]}")
        return
    if not number:
        yield bad(1, "No list of papers: neither CSL-JSON nor an object with papers.")


class _Again:
    """A stream with what was read of it put back."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self.head, self.stream = head, stream

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none where none are asked for, by which readers learn the type."""
        if size == 0:
            return b""
        head, self.head = self.head, b""
        return head or self.stream.read(size)


def item(line: int, found: Any) -> Record:
    """A record of one JSON object, CSL or plain."""
    if not isinstance(found, dict):
        return bad(line, "A paper is a JSON object.", json.dumps(found, default=str))
    if _is_csl(found):
        return _csl(line, found)
    return _plain(line, found, "json")


def _is_csl(found: Mapping[str, Any]) -> bool:
    names = found.get("author")
    people = isinstance(names, list) and any(isinstance(name, dict) for name in names)
    return people or isinstance(found.get("issued"), dict) or "container-title" in found


def _plain(line: int, given: Mapping[str, Any], form: str) -> Record:
    found: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for name, value in given.items():
        place = _known(str(name))
        if place and place not in found and (place == "authors" or _is_text(value)):
            found[place] = value if place == "authors" else str(value or "")
        elif value not in (None, "", [], {}):
            kept[str(name)] = value
    found["authors"] = _names(found.get("authors"))
    if not KEY.fullmatch(found.get("key", "")) and (key := found.pop("key", "")):
        kept["key"] = key
    return _checked(made(line, found, {form: {"fields": kept}}), found, form, kept)


def _checked(record: Record, found: dict[str, Any], form: str, kept: dict[str, Any]) -> Record:
    """Identifiers that were not understood, and dates finer than a year, are kept as written."""
    lost = {n: found[n] for n in ("arxiv_id", "doi") if found.get(n) and not getattr(record, n)}
    if record.arxiv_id:
        lost.pop("doi", None)
    if found.get("year") and not re.fullmatch(r"\d{4}(\.0)?", found["year"].strip()):
        lost["date"] = found["year"]
    if not lost:
        return record
    extra = {form: {"fields": {**kept, **lost}}}
    return Record(**{**record.__dict__, "extra": made(0, {}, extra).extra})


def _known(name: str) -> str:
    return KNOWN.get(re.sub(r"[^a-z]", "", name.lower()), "")


def _is_text(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def _names(given: Any) -> list[str]:
    if isinstance(given, list):
        return [str(n.get("name", "")) if isinstance(n, dict) else str(n) for n in given]
    return split_names(str(given or ""))


def split_names(text: str) -> list[str]:
    """The names in one cell: between semicolons, else between ands.

    A name in double quotes stays whole, whatever is in it: ``"Team A; B"; Kea, Ada``. A comma
    parts a family name from the rest of it, never one person from the next.
    """
    found: list[str] = []
    quoted, at = False, 0
    while at < len(text):
        if name := QUOTED.match(text, at):
            quoted, at = True, name.end()
            found.append(name[1].replace('""', '"'))
        else:
            end = text.find(";", at)
            end = len(text) if end < 0 else end
            found.append(text[at:end].strip())
            at = end + 1
    if len(found) == 1 and not quoted:
        found = re.split(r"\s+and\s+", found[0])
    return [name for name in found if name]


def _csl(line: int, given: Mapping[str, Any]) -> Record:
    used = {"title", "author", "container-title", "DOI", "URL", "abstract", "issued", "type", "id"}
    kept = {name: value for name, value in given.items() if name not in used}
    people = given.get("author")
    date, whole = _date(given.get("issued"))
    if whole:
        kept["issued"] = given["issued"]
    number = str(given.get("number") or "")
    found = {
        "title": _text(given.get("title")),
        "authors": [_person(one) for one in people] if isinstance(people, list) else [],
        "year": date,
        "venue": _text(given.get("container-title")),
        "doi": _text(given.get("DOI")),
        "url": _text(given.get("URL")),
        "abstract": re.sub(r"</?jats:[^>]*>", " ", _text(given.get("abstract"))),
        "arxiv_id": number if "arxiv" in number.lower() else "",
    }
    if found["arxiv_id"]:
        kept.pop("number", None)
    extra = {"type": _text(given.get("type")), "id": _text(given.get("id")), "fields": kept}
    record = made(line, found, {"csl": extra})
    if found["doi"] and not record.doi and not record.arxiv_id:
        kept["DOI"] = found["doi"]
        record = made(line, found, {"csl": extra})
    return record


def _text(value: Any) -> str:
    """The text of a CSL variable; Crossref gives lists of one."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return str(value) if _is_text(value) and value is not None else ""


def _date(given: Any) -> tuple[str, bool]:
    """(the year, whether the date says more than the year)."""
    if not isinstance(given, dict):
        return _text(given), given is not None
    parts = given.get("date-parts")
    if isinstance(parts, list) and parts and isinstance(parts[0], list) and parts[0]:
        return str(parts[0][0]), len(parts[0]) > 1 or len(parts) > 1 or len(given) > 1
    return _text(given.get("raw") or given.get("literal")), True


def _person(given: Any) -> str:
    if not isinstance(given, dict):
        return str(given)
    if given.get("literal") or given.get("name"):
        return _text(given.get("literal") or given.get("name"))
    names = ("given", "dropping-particle", "non-dropping-particle", "family")
    name = " ".join(filter(None, (_text(given.get(part)) for part in names)))
    suffix = _text(given.get("suffix"))
    return f"{name}, {suffix}" if suffix else name
