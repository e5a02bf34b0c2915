"""Papers as JSON, JSON lines and CSV, one row each, in the order given."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from kb.models import Paper, Placement

FACTS = (
    "key", "title", "authors", "year", "venue", "arxiv_id", "doi", "url", "status", "tldr",
    "summary",
)  # fmt: skip
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def row(paper: Paper) -> dict[str, Any]:
    """The facts of a paper, our summary, and where it is placed."""
    facts = {name: getattr(paper, name) for name in FACTS}
    placed = [
        {"kind": p.kind, "target": _slug(p), "origin": p.origin} for p in paper.placements.all()
    ]
    return {**facts, "page": paper.get_absolute_url(), "placements": placed}


def _slug(placement: Placement) -> str:
    place = placement.risk or placement.category
    return place.slug if place else ""


def as_json(papers: Sequence[Paper]) -> str:
    """A JSON object with ``count`` and ``papers``."""
    rows = [row(paper) for paper in papers]
    return json.dumps({"count": len(rows), "papers": rows}, ensure_ascii=False, indent=1) + "\n"


def as_jsonl(papers: Sequence[Paper]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row(paper), ensure_ascii=False) + "\n" for paper in papers)


def as_csv(papers: Sequence[Paper]) -> str:
    """CSV as in RFC 4180; names and placements are joined by semicolons."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow([*FACTS, "page", "placements"])
    for paper in papers:
        cells = row(paper)
        cells["authors"] = names(cells["authors"])
        cells["placements"] = "; ".join(f"{p['kind']}: {p['target']}" for p in cells["placements"])
        table.writerow([safe_cell(value) for value in cells.values()])
    return out.getvalue()


def names(authors: Sequence[str]) -> str:
    """Names in one cell, by semicolons; in quotes those that would be cut when read again."""
    found = []
    for name in authors:
        cut = ";" in name or " and " in name or name.startswith('"')
        found.append('"' + name.replace('"', '""') + '"' if cut else name)
    return "; ".join(found)


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet runs: what looks like a formula gets an apostrophe before it.

    So does what begins with such an apostrophe itself, so that importing can take one off.
    """
    text = str(value)
    return f"'{text}" if text.lstrip("'").startswith(FORMULA) else text
