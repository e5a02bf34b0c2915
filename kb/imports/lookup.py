"""Titles for identifiers: arXiv ids at arXiv, DOIs at their registration agencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kb import operations
from kb.harvest import tables
from kb.harvest.arxiv import Arxiv, Unreachable
from kb.harvest.doi import Registry
from kb.harvest.records import Record


def looked_up(
    records: Sequence[Record], arxiv: Arxiv | None = None, registry: Registry | None = None
) -> list[Record]:
    """The records with what is known of their identifiers; else with the problem."""
    if not operations.harvesting():
        said = "Looking identifiers up is switched off here (KB_HARVEST)."
        return [replace(record, problem=said) for record in records]
    found = _from_arxiv([r for r in records if r.arxiv_id], arxiv or Arxiv())
    found |= _from_agencies([r for r in records if not r.arxiv_id], registry or Registry())
    return [found[record.number] for record in records]


def _from_arxiv(records: Sequence[Record], client: Arxiv) -> dict[int, Record]:
    by_id: dict[str, Record] = {}
    said = "arXiv knows no paper under this id."
    try:
        for _, entries in client.entries([record.arxiv_id for record in records]):
            for entry in entries:
                told = Record(
                    title=entry.title,
                    authors=entry.authors,
                    abstract=entry.abstract,
                    doi=entry.doi,
                    venue="arXiv",
                )
                by_id[entry.arxiv_id] = told
    except Unreachable as error:
        said = f"{error}. Try again later."
    return {r.number: _joined(r, by_id.get(r.arxiv_id), said) for r in records}


def _from_agencies(records: Sequence[Record], client: Registry) -> dict[int, Record]:
    found: dict[int, Record] = {}
    said = ""
    for record in records:
        told = None
        if not said:
            try:
                item = client.item(record.doi)
                told = tables.item(record.line, item) if item else None
            except Unreachable as error:
                said = f"{error}. Try again later."
        missing = said or "No registration agency knows this DOI."
        found[record.number] = _joined(record, told, missing)
    return found


def _joined(record: Record, told: Record | None, missing: str) -> Record:
    """A record with what was told of it; its own identifier stays."""
    if told is None or not told.title:
        return replace(record, problem=missing)
    return replace(
        told,
        number=record.number,
        line=record.line,
        arxiv_id=record.arxiv_id or told.arxiv_id,
        doi=record.doi or told.doi,
        year=record.year or told.year,
    )
