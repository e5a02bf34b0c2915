"""Papers as CSL-JSON, which citation processors read (citationstyles.org, schema 1.0)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kb.models import Paper


def csl(papers: Sequence[Paper]) -> str:
    """A list with one item for each paper; what an imported item said besides goes along."""
    return json.dumps([_item(paper) for paper in papers], ensure_ascii=False, indent=1) + "\n"


def _item(paper: Paper) -> dict[str, Any]:
    kept = paper.extra.get("csl", {})
    item = {
        "id": kept.get("id") or paper.key,
        "type": kept.get("type") or ("article-journal" if paper.doi else "article"),
        "title": paper.title,
        "author": [{"literal": name} for name in paper.authors],
        "issued": {"date-parts": [[paper.year]]},
        "container-title": paper.venue,
        "number": f"arXiv:{paper.arxiv_id}" if paper.arxiv_id else "",
        "DOI": paper.doi,
        "URL": paper.url,
    }
    return {**kept.get("fields", {}), **{name: value for name, value in item.items() if value}}
