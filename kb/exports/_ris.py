"""Papers as RIS, the tagged format of reference managers."""

from __future__ import annotations

from collections.abc import Sequence

from kb.models import Paper


def ris(papers: Sequence[Paper]) -> str:
    """One record for each paper; lines end as the format asks, with CR and LF."""
    return "".join(f"{tag}  - {value}\r\n" for paper in papers for tag, value in _lines(paper))


def _lines(paper: Paper) -> list[tuple[str, str]]:
    tags = [
        ("TY", "JOUR" if paper.doi else "GEN"),
        ("TI", paper.title),
        *(("AU", name) for name in paper.authors),
        ("PY", str(paper.year)),
        ("T2", paper.venue),
        ("DO", paper.doi),
        ("AN", f"arXiv:{paper.arxiv_id}" if paper.arxiv_id else ""),
        ("UR", paper.url),
        ("N1", paper.summary),
    ]
    filled = [(tag, " ".join(value.split())) for tag, value in tags if value.strip()]
    return [*filled, ("ER", "")]
