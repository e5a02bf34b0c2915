"""How long a whole search request takes, warm, for one user.

``python -m bench.search.latency [texts]`` sends every query of the collection through the
page and through the API (routing, middleware, ranking, rows, facets, template), after one
round to warm up, and stores p50 and p99 in ``bench/search/latency.json``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from . import collection, world

STORED = collection.HERE / "latency.json"
ADDRESSES = {"page": "/search/", "api": "/api/v1/search/"}


def main(texts: str = "summaries") -> None:
    """Measure, store and print."""
    world.enter(texts)
    from django.core.management import call_command
    from django.test import Client

    from kb import search
    from kb.models import Paper

    call_command("collectstatic", verbosity=0, interactive=False)
    search.warm()
    client = Client(SERVER_NAME="localhost")
    asked = [query.text for query in collection.queries() if query.kind != "identifier"]
    found: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "texts": texts,
        "papers": Paper.objects.count(),
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
    }
    for name, address in ADDRESSES.items():
        rounds = [timed(client, address, text) for text in asked[:10] + asked][10:]
        found[name] = {part: quantiles([r[part] for r in rounds]) for part in rounds[0]}
        print(name, json.dumps(found[name]))
    STORED.write_text(json.dumps(found, indent=1) + "\n")


def timed(client: Any, address: str, text: str) -> dict[str, float]:
    """Milliseconds of wall time and of processor time of one request, and of its embedding.

    Nothing is remembered of the query: it is embedded anew, within the request and beside it.
    """
    from kb.search._embedder import asked, embedder

    asked.cache_clear()
    start, cpu = time.perf_counter(), time.thread_time()
    client.get(address, {"q": text})
    whole, busy = time.perf_counter() - start, time.thread_time() - cpu
    start = time.perf_counter()
    embedder().encode([text])
    embedding = time.perf_counter() - start
    parts = {"whole": whole, "embedding": embedding, "rest": whole - embedding, "thread cpu": busy}
    return {part: 1000 * seconds for part, seconds in parts.items()}


def quantiles(values: list[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    p50, p99 = np.quantile(values, [0.5, 0.99])
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}


if __name__ == "__main__":
    main(*sys.argv[1:])
