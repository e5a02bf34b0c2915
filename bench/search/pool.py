"""The papers to be judged: the first of every system in every world, and the known ones.

``python -m bench.search.pool QUERIES OUT`` reads the rankings that ``runs`` wrote and writes
rows of id, text, need, key and title in an order that does not betray who found what.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from . import collection, runs, world

FIRST = 10
# Enough to see that nothing answers, or that the named paper is there.
FEWER = {"unanswerable": 3, "identifier": 3}


def pooled(asked: list[collection.Asked]) -> dict[str, set[str]]:
    """{query id: keys of the papers to judge}."""
    keys = {query.id: set(query.known) for query in asked}
    depth = {query.id: FEWER.get(query.kind, FIRST) for query in asked}
    for texts in world.available():
        for ranking in json.loads(runs.path(texts).read_text()).values():
            for name, found in ranking.items():
                if name in keys:
                    keys[name] |= set(found[: depth[name]])
    return keys


def main(queries: Path, out: Path) -> None:
    """Write the pool."""
    world.enter("summaries")
    from kb.models import Paper

    titles = dict(Paper.objects.values_list("key", "title"))
    asked = collection.queries(queries)
    keys = pooled(asked)
    with out.open("w", encoding="utf-8") as lines:
        for query in asked:
            order = sorted(keys[query.id])
            random.Random(query.id).shuffle(order)
            for key in order:
                row = {"id": query.id, "text": query.text, "need": query.need}
                lines.write(json.dumps({**row, "key": key, "title": titles[key]}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
