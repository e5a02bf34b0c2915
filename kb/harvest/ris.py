"""RIS, record by record; tags that have no place here are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .latex import turned
from .records import Record, bad, made

TAG = re.compile(r"([A-Z][A-Z0-9])  ?- ?(.*)$", re.S)
# By RIS and what reference managers write; the first filled tag counts, the others are kept.
PLACES = {
    "title": ("TI", "T1", "CT"),
    "year": ("PY", "Y1", "DA"),
    "venue": ("T2", "JO", "JF", "BT", "JA"),
    "doi": ("DO",),
    "url": ("UR", "L2"),
    "abstract": ("AB", "N2"),
}
NAMES = ("AU", "A1")
Tags = dict[str, list[str]]


def read(lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    """A record for every reference of ``lines``, which are (number, text)."""
    start, tags, stray, last = 0, Tags(), list[str](), ""
    for number, text in lines:
        found = TAG.match(text)
        tag, value = (found.group(1), found.group(2).strip()) if found else ("", text.strip())
        if tag in {"TY", "ER"} and (tags or stray):
            yield from _done(start, tags, stray)
            tags, stray, last = Tags(), [], ""
        if tag == "TY":
            start = number
        if tag and tag != "ER":
            start = start if tags else number
            tags.setdefault(tag, []).append(value)
            last = tag
        elif not tag and value and last:
            tags[last][-1] = f"{tags[last][-1]} {value}".strip()
        elif not tag and value:
            start = start if stray else number
            stray.append(value)
    if tags or stray:
        yield from _done(start, tags, stray)


def _done(line: int, tags: Tags, stray: list[str]) -> Iterator[Record]:
    if stray:
        yield bad(line, "No RIS tag begins this line.", "\n".join(stray))
    if tags:
        yield _record(line, tags)


def _record(line: int, tags: Tags) -> Record:
    used: set[str] = {name for name in NAMES if name in tags}
    found: dict[str, object] = {"authors": [_name(n) for tag in NAMES for n in tags.get(tag, ())]}
    for place, names in PLACES.items():
        tag = next((name for name in names if any(tags.get(name, ()))), "")
        if tag and len(tags[tag]) == 1:
            used.add(tag)
        found[place] = next(filter(None, tags.get(tag, ())), "")
    if len(tags.get("AN", ())) == 1 and tags["AN"][0].lower().startswith("arxiv"):
        found["arxiv_id"] = tags["AN"][0]
        used.add("AN")
    kept = {tag: values for tag, values in tags.items() if tag not in used | {"TY"}}
    date = str(found["year"])
    if date and not re.fullmatch(r"\d{4}/*", date):
        kept["date"] = [date]
    kind = tags.get("TY", [""])[0]
    record = made(line, found, {"ris": {"type": kind, "fields": kept}})
    if found["doi"] and not record.doi and not record.arxiv_id:
        kept["DO"] = [str(found["doi"])]
        record = made(line, found, {"ris": {"type": kind, "fields": kept}})
    return record


def _name(name: str) -> str:
    """``Last, First`` as it is spoken; a comma at the end marks a name to leave as it is."""
    if name.endswith(","):
        return name[:-1]
    return turned([part.strip() for part in name.split(",")])
