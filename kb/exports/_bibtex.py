"""Papers as BibTeX, with the fields that biblatex and Zotero read (eprint, archiveprefix)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from kb.models import Paper

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}


def bibtex(papers: Sequence[Paper]) -> str:
    """One entry for each paper; keys are unique within the file."""
    used: set[str] = set()
    return "\n".join(_entry(paper, _key(paper, used)) for paper in papers)


def _entry(paper: Paper, key: str) -> str:
    published = bool(paper.venue) and not paper.venue.lower().startswith("arxiv")
    fields = {
        "title": f"{{{escaped(paper.title)}}}",
        "author": " and ".join(escaped(name) for name in paper.authors),
        "year": str(paper.year),
        "howpublished" if not published else "journal": escaped(paper.venue),
        "eprint": paper.arxiv_id,
        "archiveprefix": "arXiv" if paper.arxiv_id else "",
        "doi": escaped(paper.doi),
        "url": re.sub(r"[{}\\\s]", "", paper.url),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    kind = "article" if published else "misc"
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])


def _key(paper: Paper, used: set[str]) -> str:
    """Name, year and first long word of the title; a letter where that is taken."""
    name = paper.authors[0].split()[-1] if paper.authors and paper.authors[0].split() else "anon"
    first = next((w for w in re.findall(r"\w+", paper.title) if len(w) > 3), "paper")
    base = _plain(f"{name}{paper.year}{first}") or f"paper{paper.pk}"
    key, number = base, 1
    while key in used:
        number += 1
        key = f"{base}-{number}"
    used.add(key)
    return key


def _plain(text: str) -> str:
    """ASCII letters and digits in lower case."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", folded.lower())


def escaped(text: str) -> str:
    """Text in which TeX finds no commands, on one line."""
    return "".join(SPECIAL.get(character, character) for character in " ".join(text.split()))
