"""Papers as BibTeX, with the fields that biblatex and Zotero read (eprint, archiveprefix)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from kb.harvest import latex
from kb.models import Paper

VENUES = {"journal", "journaltitle", "booktitle", "howpublished"}
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
    kept = paper.extra.get("bibtex", {})
    raw = {name: text for name, text in kept.get("fields", {}).items() if _balanced(text)}
    published = bool(paper.venue) and not paper.venue.lower().startswith("arxiv")
    fields = {
        "title": f"{{{escaped(paper.title)}}}",
        "author": " and ".join(_name(name) for name in paper.authors),
        "year": str(paper.year),
        "howpublished" if not published else "journal": escaped(paper.venue),
        "eprint": paper.arxiv_id,
        "archiveprefix": "arXiv" if paper.arxiv_id else "",
        "doi": escaped(paper.doi),
        "url": re.sub(r"[{}\\\s]", "", paper.url),
    }
    fields |= _as_written(paper, raw)
    fields |= {n: v for n, v in raw.items() if n not in {*fields, *VENUES, "abstract"}}
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    kind = kept.get("type") or ("article" if published else "misc")
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])


def _as_written(paper: Paper, raw: dict[str, str]) -> dict[str, str]:
    """Title and authors as an imported entry had them, where they still say the same."""
    found = {}
    if "title" in raw and " ".join(latex.plain(raw["title"]).split()) == paper.title:
        found["title"] = raw["title"]
    names = [latex.name_of(name) for name in latex.split_names(raw.get("author", ""))]
    if names and [" ".join(name.split()) for name in names] == paper.authors:
        found["author"] = raw["author"]
    return found


def _balanced(text: str) -> bool:
    """Whether a value may stand between braces."""
    depth = 0
    for sign in re.findall(r"\\.|[{}]", text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def _name(name: str) -> str:
    """A name of a list; one that would be taken apart is held together by braces."""
    if name == "et al.":
        return "others"
    if "," in name or re.search(r"(^|\s)and(\s|$)", name, re.I) or name.lower() == "others":
        return f"{{{escaped(name)}}}"
    return escaped(name)


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
