"""Papers as RIS, the tagged format of reference managers."""

from __future__ import annotations

from collections.abc import Sequence

from kb.models import Paper

# Tags written from the paper itself; abstracts belong to their authors and stay behind.
PLACED = {"TY", "TI", "AU", "PY", "T2", "DO", "AN", "UR", "ER", "AB", "N2", "date"}


def ris(papers: Sequence[Paper]) -> str:
    """One record for each paper; lines end as the format asks, with CR and LF."""
    return "".join(f"{tag}  - {value}\r\n" for paper in papers for tag, value in _lines(paper))


def _lines(paper: Paper) -> list[tuple[str, str]]:
    kept = paper.extra.get("ris", {})
    tags = [
        ("TY", kept.get("type") or ("JOUR" if paper.doi else "GEN")),
        ("TI", paper.title),
        *(("AU", _name(name)) for name in paper.authors),
        ("PY", str(paper.year)),
        ("T2", paper.venue),
        ("DO", paper.doi),
        ("AN", f"arXiv:{paper.arxiv_id}" if paper.arxiv_id else ""),
        ("UR", paper.url),
        ("N1", " ".join(filter(None, [paper.tldr, paper.summary]))),
        *((t, v) for t, vs in kept.get("fields", {}).items() if t not in PLACED for v in vs),
    ]
    filled = [(tag, " ".join(value.split())) for tag, value in tags if value.strip()]
    return [*filled, ("ER", "")]


def _name(name: str) -> str:
    """A name that holds a comma ends with one: then it is not taken for "Last, First"."""
    return f"{name}," if "," in name else name
