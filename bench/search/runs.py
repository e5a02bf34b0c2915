"""Run every system over the collection in one world; write the rankings as JSON.

``python -m bench.search.runs summaries`` writes ``var/bench/runs-summaries.json``:
{system: {query id: [paper key, best first]}}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import collection, world


def path(texts: str) -> Path:
    """Where the rankings of a world are kept."""
    return world.ROOT / f"var/bench/runs-{texts}.json"


def main(texts: str, queries: Path = collection.QUERIES) -> None:
    """Rank with every system and store what they found."""
    world.enter(texts)
    from .systems import systems

    asked = collection.queries(queries)
    found = {
        name: {query.id: find(query.text) for query in asked} for name, find in systems().items()
    }
    path(texts).write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
