"""How fast papers come in, how much memory that takes, and how good the comparison is.

    python -m bench.imports [--rows 10000] [--sample 300] [--abstracts FILE]

Nought leaves a part out; its last figures stay. A file of rows with ``key`` and ``abstract``
measures the comparison of rows that bring an abstract as well.

Works in a database of its own, which is dropped at the end: the corpus that ships, then a
made-up BibTeX file of 10,000 entries through preview, confirmation and undoing. Comparing by
meaning is the worker's part and is measured by itself: seconds a row, false alarms among
papers that are not here (each library paper beside all others), and how many of them are
found again under a title that was changed as titles are. Writes ``bench/imports.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from . import scratch

RESULTS = Path(__file__).with_suffix(".json")
SEED = 7
LIMIT_SECONDS = 60
WORDS = ("robust", "safe", "language", "model", "attack", "agent", "memory", "poison", "prompt")
T = TypeVar("T")


def main() -> int:
    """Measure, print, store; exit code 1 where 10,000 entries take over a minute."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--abstracts", type=Path)
    options = parser.parse_args()
    with scratch.database():
        found = _measured(options.rows, options.sample, options.abstracts)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(kept | found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    spent = found.get("import", {}).get("seconds", {}).get("preview and write", 0)
    return int(spent > LIMIT_SECONDS * options.rows / 10_000)


def _measured(rows: int, sample: int, abstracts: Path | None) -> dict[str, Any]:
    from kb import search
    from kb.loading import load_all

    load_all()
    search.embed_stale()
    found: dict[str, Any] = {}
    if sample:
        found["meaning"] = {**_machine(), **_meaning(sample)}
        if abstracts is not None:
            found["meaning, with abstracts"] = {**_machine(), **_meaning(sample, abstracts)}
    if rows:
        with tempfile.TemporaryFile() as file:
            _write(file, rows)
            size = round(file.tell() / 1e6, 1)
            file.seek(0)
            found["import"] = {**_machine(), "rows": rows, "file_mb": size, **_import(file)}
    return found


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()}


def _write(file: IO[bytes], rows: int) -> None:
    """Entries such as a reference manager writes: accents, braces, unknown fields, faults."""
    pick = random.Random(SEED)
    for number in range(rows):
        title = " ".join(pick.choices(WORDS, k=7))
        close = "" if number % 500 == 499 else "}"
        file.write(
            f"@article{{k{number},\n  title = {{{{{title}}} No. {number}}},\n"
            f"  author = {{M{{\\\"u}}ller, Anna and {{Team {number}}} and Ngô, B{{\\'e}}la}},\n"
            f"  journal = {{Journal of {pick.choice(WORDS)}}}, year = {{{2015 + number % 10}}},\n"
            f"  doi = {{10.5555/bench.{number}}}, keywords = {{a, b}}, month = mar,\n"
            f"  abstract = {{{' '.join(pick.choices(WORDS, k=90))}}}\n{close}\n".encode()
        )


def _import(file: IO[bytes]) -> dict[str, Any]:
    """Seconds and memory of preview, write and undoing; nothing compared by meaning."""
    from django.contrib.auth import get_user_model

    from kb import tasks
    from kb.accounts import roles
    from kb.imports import operations, writing
    from taxonomy.operations.revert import revert

    tasks.examine.defer = tasks.embed.defer = lambda **kwargs: 0
    user = get_user_model().objects.create_user("bench")
    roles.give(user=user, role="curator")
    user = get_user_model().objects.get(pk=user.pk)
    before = _reset_peak()
    seconds: dict[str, float] = {}
    batch = _timed(
        seconds, "preview", lambda: operations.stage(stream=file, name="bench.bib", by=user)
    )
    counts = operations.counts(batch)
    after = _peak()
    _reset_peak()
    wrote = _timed(
        seconds,
        "write",
        lambda: writing.confirm(batch=batch, by=user, note="bench", unexamined=True),
    )
    written = _peak()
    _reset_peak()
    seconds["preview and write"] = round(seconds["preview"] + seconds["write"], 1)
    batch.refresh_from_db()
    made = batch.changeset
    assert made is not None
    _timed(seconds, "undo", lambda: revert(changeset=made, by=user, note="bench"))
    memory = {"before": before, "preview": after, "write": written, "undo": _peak()}
    return {"seconds": seconds, "memory_mb": memory, "counts": counts, "wrote": dict(wrote)}


def _timed(seconds: dict[str, float], name: str, work: Callable[[], T]) -> T:
    start = time.perf_counter()
    done = work()
    seconds[name] = round(time.perf_counter() - start, 1)
    return done


def _reset_peak() -> int:
    """Forget the highest memory so far, so that each step has its own; the present MB.

    Linux keeps one high-water mark for a process, which loading the corpus would hide behind.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    """The most memory held since the last reset, in MB of the whole process."""
    return _status("VmHWM")


def _status(name: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name))
    return int(line.split()[1]) // 1024


def _meaning(sample: int, abstracts: Path | None = None) -> dict[str, Any]:
    """How often a paper that is not here is taken for one, and a renamed one is recognised.

    A row is known by title and authors; with ``abstracts`` those rows are asked that have one.
    """
    from kb import search
    from kb.imports.examining import NEIGHBOURS, text_of
    from kb.models import Paper

    pick = random.Random(SEED)
    papers = list(Paper.objects.order_by("key").only("pk", "key", "title", "authors", "year"))
    by_pk, chosen = {paper.pk: paper for paper in papers}, pick.sample(papers, sample)
    known = _abstracts(abstracts) if abstracts else {}
    if abstracts:
        chosen = [paper for paper in chosen if _short(paper.key) in known]
    plain = [_record(paper, paper.title, known) for paper in chosen]
    renamed = [(paper, _record(paper, title, known)) for paper, title in _renamed(chosen)]
    start = time.perf_counter()
    vectors = search.encode([text_of(record) for record in plain])
    each = (time.perf_counter() - start) / len(chosen)
    alarms, found = 0, 0
    for paper, record, vector in zip(chosen, plain, vectors, strict=True):
        near = [one for one in search.nearest(vector, NEIGHBOURS + 1) if one[0] != paper.pk]
        alarms += _taken_for(record, near[:NEIGHBOURS], by_pk) is not None
    changed = search.encode([text_of(record) for _, record in renamed])
    for (paper, record), vector in zip(renamed, changed, strict=True):
        found += _taken_for(record, search.nearest(vector, NEIGHBOURS), by_pk) == paper.pk
    return {
        "sample": len(chosen),
        "seconds_a_row": round(each, 4),
        "false_alarms": round(alarms / len(chosen), 3),
        "renamed": len(renamed),
        "recognised": round(found / max(len(renamed), 1), 3),
    }


def _taken_for(record: Any, near: Sequence[tuple[int, float]], by_pk: dict[int, Any]) -> int | None:
    """The id of the paper that a row is taken for."""
    from kb.imports.examining import nearest

    verdict = nearest(record, [(by_pk[pk], cosine) for pk, cosine in near])
    return verdict.paper.pk if verdict and verdict.paper else None


def _record(paper: Any, title: str, abstracts: dict[str, str]) -> Any:
    from kb.harvest.records import Record

    abstract = abstracts.get(_short(paper.key), "")
    return Record(title=title, authors=tuple(paper.authors), abstract=abstract)


def _abstracts(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8") as lines:
        return {_short(row["key"]): row["abstract"] for row in map(json.loads, lines)}


def _short(key: str) -> str:
    return key.removeprefix("arxiv:")


def _renamed(papers: Sequence[Any]) -> list[tuple[Any, str]]:
    """Papers under titles changed as authors change them before publication."""
    steps: list[tuple[str, str]] = [
        (r"^[^:]{3,40}: (.{25,})$", r"\1"),  # the nickname goes
        (r"^(.{25,}?)[:?] .+$", r"\1"),  # the subtitle goes
        (r"\bLarge Language Models\b", "LLMs"),
        (r"\bLLMs\b", "Large Language Models"),
        (r"\b[Aa]ttacks on\b", "attacking"),
    ]
    found = []
    for paper in papers:
        changed = next((t for a, b in steps if (t := re.sub(a, b, paper.title)) != paper.title), "")
        if changed:
            found.append((paper, changed))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
