"""How the house is built: import cost, references by string, and what may stand in fixtures."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("kb", "taxonomy", "evals")
SHARED = ROOT.parent / "shared"
HEAVY = ("torch", "transformers", "sentence_transformers", "faiss", "scipy", "sklearn", "gguf")
HEAVY += ("inspect_ai", "peft", "opacus", "presidio_analyzer", "spacy", "datasketch")


def sources() -> Iterator[Path]:
    for app in APPS:
        yield from (p for p in (ROOT / app).rglob("*.py") if "migrations" not in p.parts)


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def curated() -> list[dict[str, object]]:
    return [
        row for p in sorted((ROOT / "fixtures/papers").glob("curated-*.jsonl")) for row in rows(p)
    ]


@pytest.mark.parametrize(
    "start",
    [
        "import django; django.setup(); import kb.urls, evals.tasks",
        "from evals.engine import registry; registry.mitigations()",
    ],
)
def test_heavy_libraries_wait_for_their_first_use(start: str) -> None:
    code = (
        f"import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'kb.settings'; {start}; "
        f"print(sorted({set(HEAVY)!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr[-500:]


def test_the_engine_needs_no_django() -> None:
    code = (
        "import sys, evals.engine.runner, evals.engine.__main__ as main; "
        "main.registry.mitigations(); print('django' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False", done.stderr[-500:]


def test_references_by_string_follow_the_import_contract() -> None:
    allowed = {"kb": set(APPS), "taxonomy": {"taxonomy"}, "evals": {"evals"}}
    reference = re.compile(
        r"""(?:include|ForeignKey|ManyToManyField|OneToOneField|import_module)\(\s*["'](\w+)\."""
    )
    for path in sources():
        app = path.relative_to(ROOT).parts[0]
        for named in reference.findall(path.read_text()):
            assert named not in APPS or named in allowed[app], f"{path} names {named}"


def test_modules_and_functions_stay_small() -> None:
    for path in sources():
        text = path.read_text()
        assert text.count("\n") <= 400, f"{path} has grown too long"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                assert node.end_lineno - node.lineno < 45, f"{path}: {node.name} is too long"


def test_every_module_says_what_it_is() -> None:
    for path in sources():
        text = path.read_text()
        if text.strip() and path.name != "apps.py":
            assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"


def test_no_abstract_stands_in_the_repository() -> None:
    for row in rows(ROOT / "fixtures/papers/facts.jsonl"):
        assert "abstract" not in row
    for row in curated():
        assert "abstract" not in row


def test_no_paper_stands_twice() -> None:
    facts = rows(ROOT / "fixtures/papers/facts.jsonl")
    facts += [row["landmark"] for row in curated() if "landmark" in row]  # type: ignore[misc]
    for what in ("arxiv_id", "doi"):
        seen = Counter(str(row[what]).lower() for row in facts if row.get(what))
        assert not [name for name, n in seen.items() if n > 1]
    titles = Counter(re.sub(r"\W+", "", str(row["title"]).lower()) for row in facts)
    assert not [title for title, n in titles.items() if n > 1]


def test_curated_records_are_whole() -> None:
    for row in curated():
        assert 50 <= len(str(row["summary"]).split()) <= 110, row["key"]
        assert row["basis"] in {"abstract", "title"}
        assert row["placements"]
        assert all(p["reason"] for p in row["placements"])  # type: ignore[attr-defined]


def test_every_stage_and_every_risk_has_its_papers() -> None:
    done = subprocess.run(
        [sys.executable, "fixtures/report.py"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


def test_every_category_says_what_it_covers() -> None:
    noted = {row["slug"] for row in rows(ROOT / "fixtures/taxonomy/category_notes.jsonl")}
    assert noted == {row["slug"] for row in rows(ROOT / "fixtures/taxonomy/categories.jsonl")}


def test_no_two_risks_share_an_alias() -> None:
    seen = Counter(
        alias.lower()
        for row in rows(ROOT / "fixtures/taxonomy/risks.jsonl")
        for alias in row["aliases"]  # type: ignore[attr-defined]
    )
    assert not [alias for alias, n in seen.items() if n > 1]


@pytest.mark.skipif(not SHARED.exists(), reason="the collected abstracts are not on this machine")
def test_our_words_are_not_the_authors() -> None:
    def runs(text: str) -> set[tuple[str, ...]]:
        words = re.findall(r"[a-z0-9']+", text.lower())
        return {tuple(words[i : i + 8]) for i in range(len(words) - 7)}

    abstracts = {str(r["key"]): str(r["abstract"]) for r in rows(SHARED / "corpus/abstracts.jsonl")}
    for row in curated():
        abstract = abstracts.get(str(row["key"]).removeprefix("arxiv:"), "")
        assert not runs(str(row["summary"])) & runs(abstract), row["key"]


def test_nothing_names_this_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    for name in tracked.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".html", ".toml", ".yaml", ".jsonl", ".js", ".css", ""}:
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert "/" + "work/main" not in text, name
            assert "/" + "root/" not in text, name
