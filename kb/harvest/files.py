"""Which format a file has, its lines as text, and its records one by one."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import IO

from . import bibtex, identifiers, ris, tables
from .records import Record, bad, made, numbered

FORMATS = {
    "bibtex": "BibTeX",
    "ris": "RIS",
    "csl": "CSL-JSON",
    "csv": "CSV",
    "jsonl": "JSON lines",
    "ids": "arXiv ids and DOIs",
}
ENDINGS = {
    "bib": "bibtex",
    "bibtex": "bibtex",
    "ris": "ris",
    "json": "csl",
    "csv": "csv",
    "tsv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "txt": "",
}
HEAD = 65_536
UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class UnknownFormat(ValueError):
    """What is in the file cannot be told."""


def records(stream: IO[bytes], form: str) -> Iterator[Record]:
    """The records of a file, in order, one in memory at a time; raises UnknownFormat.

    ``stream`` stands at the beginning. Every fault of a row is a record with a problem.
    """
    if form not in FORMATS:
        raise UnknownFormat(f"No format {form[:40]!r}. One of: {', '.join(FORMATS)}.")
    if form == "csl":
        yield from numbered(tables.read_json(stream))
        return
    readers = {
        "bibtex": bibtex.read,
        "ris": ris.read,
        "csv": tables.read_csv,
        "jsonl": tables.read_jsonl,
        "ids": read_ids,
    }
    yield from numbered(readers[form](text_lines(stream)))


def detect(name: str, stream: IO[bytes]) -> str:
    """The format by the name's ending, else by how the file begins; raises UnknownFormat."""
    by_name = ENDINGS.get(name.rpartition(".")[2].lower(), "") if "." in name else ""
    head = stream.read(HEAD)
    stream.seek(0)
    text = "".join(line for _, line in text_lines(iter(head.splitlines(keepends=True))))
    if not text.strip():
        raise UnknownFormat("The file is empty.")
    if by_name == "csl" and _is_jsonl(text):
        return "jsonl"
    if found := by_name or _by_text(text.lstrip()):
        return found
    raise UnknownFormat(
        f"The format cannot be told from the file. Say which: {', '.join(FORMATS)}."
    )


def _by_text(text: str) -> str:
    if re.search(r"^\s*@\s*\w+\s*[{(]", text, re.M):
        return "bibtex"
    if re.search(r"^TY  ?- ", text, re.M):
        return "ris"
    if text[0] == "[":
        return "csl"
    if text[0] == "{":
        return "jsonl" if _is_jsonl(text) else "csl"
    lines = [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    if any(map(_identifier, lines[:20])):
        return "ids"
    return "csv" if re.search(r"\b(title|doi|arxiv.?id)\b", lines[0] if lines else "", re.I) else ""


def _is_jsonl(text: str) -> bool:
    first = text.strip().partition("\n")[0]
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and not isinstance(found.get("papers"), list)


def text_lines(stream: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """(number, text) of each line: UTF-8, else Windows-1252 or Latin-1, line by line.

    A file may hold both, where entries of several hands were put together.
    """
    coding = ""
    for number, raw in enumerate(stream, start=1):
        if number == 1 and raw[:2] in UTF_16:
            coding = UTF_16[raw[:2]]
        if coding:
            yield from _wide(raw, stream, coding)
            return
        yield number, decoded(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw)


def _wide(first: bytes, stream: Iterable[bytes], coding: str) -> Iterator[tuple[int, str]]:
    decoder = codecs.getincrementaldecoder(coding)("replace")
    held, number = decoder.decode(first[2:]), 1
    for raw in stream:
        held += decoder.decode(raw)
        *lines, held = held.splitlines(keepends=True) or [""]
        for line in lines:
            yield number, line
            number += 1
    yield number, held


def decoded(raw: bytes) -> str:
    """Bytes as text: UTF-8, else Windows-1252, else Latin-1, which knows every byte."""
    for coding in ("utf-8", "cp1252"):
        try:
            return raw.decode(coding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _identifier(text: str) -> str:
    """The arXiv id or DOI that a line consists of."""
    text = text.strip()
    if " " in text.removeprefix("arXiv: ").removeprefix("doi: "):
        return ""
    return identifiers.arxiv_id(text) or identifiers.doi(text)


def read_ids(lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    """A record, without a title yet, for every arXiv id, DOI or address of one."""
    for number, text in lines:
        asked = text.partition(" #")[0].strip().rstrip(",;")
        if not asked or asked.startswith("#"):
            continue
        if not _identifier(asked):
            yield bad(number, "Neither an arXiv id nor a DOI.", asked)
        elif identifiers.arxiv_id(asked):
            yield made(number, {"arxiv_id": asked}, {})
        else:
            yield made(number, {"doi": asked}, {})
