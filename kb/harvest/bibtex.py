"""BibTeX, entry by entry: what cannot be read costs no other entry.

The file is cut where a line begins an entry, so memory holds one entry at a time; each
piece is read by bibtexparser. Every field that has no place here, and every value whose
TeX says more than its plain text, is kept as it was written.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from . import latex
from .records import Record, bad, made

BEGINS = re.compile(r"\s*@\s*[A-Za-z]+\s*[{(]")
STRING = re.compile(r"\s*@\s*string\b", re.I)
LONGEST = 1_000_000  # characters of one entry
VENUES = ("journal", "journaltitle", "booktitle", "howpublished")
PLAIN = ("title", "abstract", "doi", "url", "eprint")
VERBATIM = {"doi", "url", "eprint"}
MOST_STRINGS = 2000

logging.getLogger("bibtexparser").setLevel(logging.ERROR)  # the rows say what is wrong


def read(lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    """A record for every entry of ``lines``, which are (number, text)."""
    strings: dict[str, str] = {}
    for line, text in _blocks(lines):
        if STRING.match(text):
            if len(strings) < MOST_STRINGS and (name := re.search(r"[{(]\s*([\w:.-]+)", text)):
                strings[name.group(1).lower()] = text
        elif len(text) > LONGEST:
            yield bad(line, "The entry is longer than a million characters.", text)
        else:
            yield from _entries(line, text, strings)


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """(line, text) from each beginning of an entry to the next."""
    start, held = 0, list[str]()
    for number, text in lines:
        if BEGINS.match(text):
            if held:
                yield start, "".join(held)
            start, held = number, [text]
        elif held:
            held.append(text)
    if held:
        yield start, "".join(held)


def _entries(line: int, text: str, strings: dict[str, str]) -> Iterator[Record]:
    from bibtexparser import model

    named = [made_of for name, made_of in strings.items() if name in text.lower()]
    before = "\n".join(named).count("\n") + bool(named)
    for block in _parsed("\n".join([*named, text])):
        at = line + max((block.start_line or 0) - before, 0)
        if isinstance(block, model.Entry):
            yield _record(at, block)
        elif isinstance(block, model.ParsingFailedBlock):
            yield bad(at, _why(text), block.raw or text)


def _parsed(text: str) -> list[Any]:
    """The blocks of a text; an entry in which a field stands twice is read like any other."""
    from bibtexparser import Library, middlewares, model, parse_string

    blocks = []
    for block in parse_string(text, parse_stack=[]).blocks:
        whole = getattr(block, "ignore_error_block", None)
        if isinstance(block, model.DuplicateFieldKeyBlock) and isinstance(whole, model.Entry):
            block = _told_apart(whole)
        blocks.append(block)
    macros = {b.key.lower(): _inner(b.value) for b in blocks if isinstance(b, model.String)}
    for field in (f for b in blocks if isinstance(b, model.Entry) for f in b.fields):
        field.value = _joined(field.value, macros)
    library = Library(blocks)
    for step in (
        middlewares.ResolveStringReferencesMiddleware(),
        middlewares.RemoveEnclosingMiddleware(),
    ):
        library = step.transform(library)
    return list(library.blocks)


def _joined(value: str, macros: dict[str, str]) -> str:
    """A value put together by ``#``, as one; the library leaves these as they are."""
    if "#" not in value:
        return value
    parts = re.findall(r'\{(?:[^{}]|\{[^{}]*\})*\}|"[^"]*"|[^\s#{}"]+|#', value)
    if len(parts) < 3 or any(sign != "#" for sign in parts[1::2]):
        return value
    return "{" + "".join(macros.get(part.lower(), _inner(part)) for part in parts[::2]) + "}"


def _inner(value: str) -> str:
    return value[1:-1] if value[:1] + value[-1:] in ("{}", '""') else value


def _told_apart(entry: Any) -> Any:
    """An entry whose fields are called differently: a second ``note`` becomes ``note-2``."""
    seen: Counter[str] = Counter()
    for field in entry.fields:
        name = field.key.lower()
        seen[name] += 1
        field.key = f"{name}-{seen[name]}" if seen[name] > 1 else name
    return entry


def _why(text: str) -> str:
    depth = text.count("{") - text.count("\\{") - text.count("}") + text.count("\\}")
    if depth > 0:
        return f"Braces do not balance: {depth} more opened than closed."
    if depth < 0:
        return f"Braces do not balance: {-depth} more closed than opened."
    return "This is no BibTeX entry: a comma, a quotation mark or an equals sign is missing."


def _record(line: int, entry: Any) -> Record:
    raw = _fields(entry)
    found: dict[str, Any] = {n: _value(n, raw[n]) for n in PLAIN if n in raw}
    found["authors"] = [latex.name_of(name) for name in latex.split_names(raw.get("author", ""))]
    found["year"] = raw.get("year") or raw.get("date", "")
    venue = next((name for name in VENUES if raw.get(name)), "")
    found["venue"] = latex.plain(raw.get(venue, ""))
    if raw.get("eprint") and "arxiv" in _archive(raw):
        found["arxiv_id"] = f"arXiv:{found['eprint']}"
    used = {"title", "author", "year", "abstract", "doi", "url", "eprint", "archiveprefix", venue}
    kept = {n: v for n, v in raw.items() if n not in used or _says_more(n, v)}
    record = made(line, found, {})
    kept |= {n: raw[n] for n in ("doi", "eprint", "archiveprefix") if _lost(n, raw, record)}
    extra = {"type": entry.entry_type, "id": entry.key, "fields": kept}
    return Record(**{**record.__dict__, "extra": {"bibtex": made(0, {}, extra).extra}})


def _fields(entry: Any) -> dict[str, str]:
    """Values by name in small letters; ``Note`` and ``note`` are two names to the library."""
    return {str(field.key).lower(): str(field.value) for field in _told_apart(entry).fields}


def _value(name: str, raw: str) -> str:
    """Plain text; in addresses and identifiers only escaped signs are TeX."""
    if name in VERBATIM:
        return re.sub(r"\\url\b|[{}]|\\(?=[_%&#$~^])", "", raw)
    return latex.plain(raw)


def _archive(raw: dict[str, str]) -> str:
    return (raw.get("archiveprefix") or raw.get("eprinttype") or "arxiv").lower()


def _says_more(name: str, raw: str) -> bool:
    """Whether plain text loses something of a value: protected capitals, commands, formulas."""
    if name == "author":
        return any(latex.name_of(one) != one for one in latex.split_names(raw))
    if name == "year":
        return not re.fullmatch(r"\s*\d{4}\s*", raw)
    return " ".join(_value(name, raw).split()) != " ".join(raw.split())


def _lost(name: str, raw: dict[str, str], record: Record) -> bool:
    """Whether an identifier was not understood."""
    if name == "doi":
        return bool(raw.get("doi")) and not record.doi and not record.arxiv_id
    return bool(raw.get(name)) and not record.arxiv_id
