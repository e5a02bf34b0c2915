"""The command line of the engine.

    python -m evals.engine list
    python -m evals.engine run --spec FILE|- --out FILE
    python -m evals.engine build ORGANISM [--seed N]
    python -m evals.engine serve TARGET [--port N]
    python -m evals.engine scores --log FILE --out FILE

``run`` prints progress as JSON lines and writes the result under a temporary name first.
Exit code 2 with one line on stderr means bad input, 1 that the target failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import registry, runner
from .inspecting import TaskFailed
from .logs import BadLog
from .packaged import MissingFile
from .params import BadParameter
from .registry import UnknownName
from .result import Progress
from .spec import Spec


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m evals.engine")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what can be run")
    run = commands.add_parser("run", help="run a specification")
    run.add_argument("--spec", required=True, help="a JSON file, or - for standard input")
    run.add_argument("--out", required=True, type=Path, help="where the result goes")
    build = commands.add_parser("build", help="train a model organism and write its card")
    build.add_argument("organism")
    build.add_argument("--seed", type=int, default=1)
    serve = commands.add_parser("serve", help="serve a target over /v1/chat/completions")
    serve.add_argument("target")
    serve.add_argument("--port", type=int, default=8010)
    scores = commands.add_parser("scores", help="the scores that an Inspect log holds, as JSON")
    scores.add_argument("--log", required=True, type=Path)
    scores.add_argument("--out", required=True, type=Path)
    options = parser.parse_args(argv)
    if options.command == "list":
        return _list()
    try:
        if options.command == "build":
            return _build(options.organism, options.seed)
        if options.command == "serve":
            return _serve(options.target, options.port)
        if options.command == "scores":
            return _scores(options.log, options.out)
        return _run(options.spec, options.out)
    except (BadLog, UnknownName, BadParameter, MissingFile, OSError, json.JSONDecodeError) as error:
        print(f"evals.engine: {error}", file=sys.stderr)
        return 2
    except TaskFailed as error:
        print(f"evals.engine: {error}", file=sys.stderr)
        return 1


def _list() -> int:
    for found in registry.mitigations():
        print(f"{found.slug:28} {found.name}; answers {', '.join(found.risks)}")
    return 0


def _run(source: str, out: Path) -> int:
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    given = json.loads(text)
    if not isinstance(given, dict):
        raise BadParameter("A specification is a JSON object.")
    result = runner.run(Spec.from_dict(given), _print)
    temporary = out.with_suffix(".part")
    temporary.write_text(json.dumps(result.to_dict(), ensure_ascii=False))
    temporary.replace(out)
    return 0


def _scores(log: Path, out: Path) -> int:
    from . import logs

    out.write_text(json.dumps(logs.scores(log), ensure_ascii=False), encoding="utf-8")
    return 0


def _build(slug: str, seed: int) -> int:
    from . import organisms

    def tell(done: int, total: int) -> None:
        _print(Progress(done, total, "training"))

    for metric in organisms.build(slug, seed, tell)["measured"]:
        print(f"{metric['label']}: {metric['value']:.0%} [{metric['low']:.0%}, "
              f"{metric['high']:.0%}], n {metric['n']}")  # fmt: skip
    return 0


def _serve(slug: str, port: int) -> int:
    from . import organisms
    from .serving import Server

    with Server(organisms.load(registry.get_target(slug).slug), slug, port) as server:
        print(f"{server.base_url} serves {slug} (Ctrl-C stops it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
    return 0


def _print(progress: Progress) -> None:
    row = {"done": progress.done, "total": progress.total, "step": progress.step}
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
