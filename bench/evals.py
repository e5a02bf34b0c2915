"""Run every mitigation with its default specification, and keep what was measured.

    python -m bench.evals [--again] [MITIGATION | FIRST+SECOND ...]

Stacks of two are measured too. One after another, each in a process of its own under the
limits of a worker. A record goes to ``fixtures/runs`` and ships; ``docs/results.md`` is made of
all of them. What is stored with the same specification, the same sources of the mitigation and
the same organisms is not run again, so an interrupted bench goes on where it stopped. Exit code
1 means that a run failed.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import results
from evals.engine import VERSION, organisms, packaged, records, registry
from evals.engine.params import BadParameter
from evals.engine.registry import Mitigation
from evals.engine.spec import Spec

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "fixtures" / "runs"
PAGE = ROOT / "docs" / "results.md"
# Two that ask the model to refuse what harms, and one of these behind a change of the words.
STACKS = ("self-reminder+in-context-defence", "paraphrase-defence+in-context-defence")
LIMITS = ("--seconds=3600", f"--bytes={12 * 1024**3}")
MOST_SAMPLES = 12  # of each group and arm
MOST_BYTES = 300_000
ENGINE = "evals.engine"
# Changes to the frame do not make a stored run stale; `--again` runs everything anew.
FRAME = {
    "attacks", "endpoints", "inspecting", "judges", "language_model", "packaged", "params",
    "provenance", "records", "registry", "result", "runner", "serving", "sheet", "spec",
    "stacks", "statistics", "targets", "trial", "tuning", "validity", "datasets", "organisms",
    "mitigations",
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, write the page, print the total."""
    parser = argparse.ArgumentParser(prog="python -m bench.evals")
    parser.add_argument("mitigations", nargs="*", help="only these; by default all")
    parser.add_argument("--again", action="store_true", help="run also what is stored")
    options = parser.parse_args(argv)
    try:
        wanted = [_spec(name) for name in options.mitigations]
    except (registry.UnknownName, BadParameter) as error:
        print(f"bench.evals: {error}", file=sys.stderr)
        return 2
    failed = {}
    for spec in wanted or map(_spec, [*(m.slug for m in registry.mitigations()), *STACKS]):
        if reason := bench(spec, options.again):
            failed[records.named(spec.to_dict())] = reason
    stored = [records.read(path)["record"] for path in records.stored(STORE)]
    PAGE.write_text(results.page(stored, failed), encoding="utf-8")
    print(f"{'total':32} {sum(map(results.minutes, stored)):5.1f} min, {len(stored)} records")
    return 1 if failed else 0


def _spec(name: str) -> Spec:
    """The default specification of a mitigation, or of two with a plus between them."""
    first, _, second = name.partition("+")
    return Spec.create(first, stack=second)


def bench(spec: Spec, again: bool = False) -> str:
    """Measure one specification unless that is done; return why it failed, if it did."""
    name = records.named(spec.to_dict())
    both = map(registry.get_mitigation, filter(None, [spec.mitigation, spec.stack]))
    source = "+".join(map(source_digest, both))
    old = [records.read(path) for path in records.stored(STORE) if records.slug(path) == name]
    if old and not again and (old[0]["spec_digest"], old[0]["source"]) == (spec.digest, source):
        print(f"{name:32} stored")
        return ""
    start = time.monotonic()
    print(f"{name:32} ", end="", flush=True)
    record, reason = measure(spec)
    if record:
        records.write(STORE, trimmed(record), spec.digest, source)
        print(f"{record['validity']['verdict']:18} {(time.monotonic() - start) / 60:5.1f} min")
    else:
        print(f"failed: {reason}")
    return reason


def measure(spec: Spec) -> tuple[dict[str, Any], str]:
    """(record, "") of a run in a confined process, or ({}, why there is none).

    It starts with an empty cache but for the model, so that its time is that of a first run.
    """
    with tempfile.TemporaryDirectory(prefix="safestack-bench-") as name:
        given, out = Path(name) / "spec.json", Path(name) / "result.json"
        models = packaged.cache_dir().resolve() / "models"
        models.mkdir(parents=True, exist_ok=True)
        (Path(name) / "models").symlink_to(models)
        given.write_text(json.dumps(spec.to_dict()))
        command = [sys.executable, "-m", "evals.confine", *LIMITS, "--", "run"]
        done = subprocess.run(
            [*command, "--spec", str(given), "--out", str(out)],
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "SAFESTACK_VAR": name},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode == 0 and out.exists():
            return json.loads(out.read_text(encoding="utf-8")), ""
    words = done.stderr.strip().splitlines()
    return {}, words[-1][:300] if words else f"the engine ended with code {done.returncode}"


def trimmed(record: dict[str, Any]) -> dict[str, Any]:
    """The record with as many samples of each group and arm as keep it small enough.

    Figures, comparisons and curves stay whole; a note says what was left out.
    """
    for most in (MOST_SAMPLES, 6, 3, 1):
        found = {**record, "samples": _first(record["samples"], most)}
        if len(records.text(found)) <= MOST_BYTES:
            break
    kept, total = len(found["samples"]), len(record["samples"])
    if kept < total:
        note = (f"Of {total} samples, the first {most} of each group and arm are stored: {kept}. "
                "Run it here to see them all.")  # fmt: skip
        found["notes"] = [*record["notes"], note]
    return found


def _first(samples: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    seen: Counter[tuple[Any, Any]] = Counter()
    found = []
    for sample in samples:
        place = sample.get("group"), sample.get("arm")
        seen[place] += 1
        if seen[place] <= most:
            found.append(sample)
    return found


def source_digest(known: Mitigation) -> str:
    """sha256 of the mitigation's module, what it imports beside the frame, and its organisms."""
    total = hashlib.sha256(VERSION.encode())
    for path in sorted(_sources(Path(inspect.getfile(known.measure)))):
        total.update(path.name.encode() + path.read_bytes())
    for slug in known.targets:
        if slug != organisms.STOCK and slug in {found.slug for found in organisms.organisms()}:
            total.update(json.loads(organisms.get(slug).card.read_text())["sha256"].encode())
    return total.hexdigest()


def _sources(path: Path) -> set[Path]:
    """The module and, through what it imports, every other one outside of the frame."""
    found, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += _imported(current)
    return found


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ENGINE):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from filter(None, map(_outside_frame, [str(node.module), *names]))


def _outside_frame(module: str) -> Path | None:
    """The file of a module of the engine that is no part of the frame."""
    name = module.removeprefix(ENGINE).lstrip(".")
    if not name or name in FRAME:
        return None
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name inside of a module
        return None
    return Path(spec.origin) if spec and spec.origin else None


if __name__ == "__main__":
    sys.exit(main())
