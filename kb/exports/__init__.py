"""Lists of papers as files: JSON, CSV, BibTeX, RIS and CSL-JSON, and as an Atom feed.

Summaries are ours and go along; abstracts belong to their authors and stay behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kb.models import Paper

from ._atom import atom
from ._bibtex import bibtex
from ._csl import csl
from ._ris import ris
from ._tables import as_csv, as_json, as_jsonl

__all__ = ["FORMATS", "Format", "atom"]


@dataclass(frozen=True)
class Format:
    """A kind of file: its label, its media type, and what writes it."""

    label: str
    media_type: str
    write: Callable[[Sequence[Paper]], str]


FORMATS = {
    "json": Format("JSON", "application/json", as_json),
    "jsonl": Format("JSON lines", "application/jsonl", as_jsonl),
    "csv": Format("CSV", "text/csv; charset=utf-8", as_csv),
    "csl": Format("CSL-JSON", "application/vnd.citationstyles.csl+json", csl),
    "bib": Format("BibTeX", "application/x-bibtex; charset=utf-8", bibtex),
    "ris": Format("RIS", "application/x-research-info-systems; charset=utf-8", ris),
}
