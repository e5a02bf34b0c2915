"""Loading fixtures: all or nothing, again and again, and never over a person's work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from kb.loading import FIXTURES, load_all
from kb.models import Paper, Placement
from taxonomy.fixtures import FixtureError
from taxonomy.models import Framework, Mapping, Mitigation, Risk

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(FIXTURES, tmp_path / "fixtures")
    return tmp_path / "fixtures"


def change(path: Path, line: int, **values: Any) -> None:
    rows = path.read_text().splitlines()
    rows[line - 1] = json.dumps({**json.loads(rows[line - 1]), **values})
    path.write_text("\n".join(rows) + "\n")


def test_the_same_files_are_loaded_once() -> None:
    assert load_all() is None


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("papers/facts.jsonl", {"year": 30}, "year"),
        ("papers/facts.jsonl", {"key": "Not A Key"}, "key"),
        ("papers/facts.jsonl", {"suggested": {"target": "risk:nope", "kind": "attack"}}, "'nope'"),
        ("papers/facts.jsonl", {"suggested": {"target": "x", "kind": "attack"}}, "neither"),
        ("taxonomy/risks.jsonl", {"category": "nowhere"}, "nowhere"),
        ("taxonomy/risks.jsonl", {"definition": ""}, "definition"),
        ("taxonomy/categories.jsonl", {"stage": "lunch"}, "lunch"),
        ("frameworks/mappings.jsonl", {"relation": "likes"}, "relation"),
        ("mitigations/mitigations.jsonl", {"papers": ["arxiv:0000.00000"]}, "0000.00000"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_loaded(
    folder: Path, file: str, values: dict[str, Any], said: str
) -> None:
    change(folder / file, 3, **values)
    change(folder / "taxonomy/stages.jsonl", 1, summary="changed in the same load")
    with pytest.raises(FixtureError, match=rf"{Path(file).name}, line \d+: .*{said}"):
        load_all(folder)
    from taxonomy.models import Stage

    assert not Stage.objects.filter(summary="changed in the same load").exists()


def test_a_repeated_key_names_both_lines(folder: Path) -> None:
    path = folder / "papers/facts.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[4]]) + "\n")
    with pytest.raises(FixtureError, match=rf"line {len(lines) + 1}: repeats .* of line 5"):
        load_all(folder)


def test_half_a_line_is_named(folder: Path) -> None:
    path = folder / "taxonomy/risks.jsonl"
    path.write_text(path.read_text() + '{"slug": "half')
    with pytest.raises(FixtureError, match="is not JSON"):
        load_all(folder)


def test_new_texts_arrive_and_a_persons_work_stays(folder: Path) -> None:
    lines = (folder / "taxonomy/risks.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines[:2]]
    change(folder / "taxonomy/risks.jsonl", 1, definition="From the new files.")
    change(folder / "taxonomy/risks.jsonl", 2, definition="From the new files.")
    Risk.objects.filter(slug=rows[1]["slug"]).update(definition="By hand.", version=2)
    load_all(folder)
    assert Risk.objects.get(slug=rows[0]["slug"]).definition == "From the new files."
    assert Risk.objects.get(slug=rows[1]["slug"]).definition == "By hand."


def test_a_placement_made_by_hand_stays(folder: Path) -> None:
    somebody = get_user_model().objects.create_user("curator")
    paper = Paper.objects.get(key="arxiv:2307.15043")
    risk = Risk.objects.get(slug="deepfake")
    Placement.objects.create(
        paper=paper, risk=risk, kind="attack", origin="curated", placed_by=somebody
    )
    change(folder / "taxonomy/stages.jsonl", 1, summary="Something new.")
    load_all(folder)
    assert paper.placements.filter(risk=risk).exists()


def test_answers_and_papers_of_a_mitigation_follow_the_files(folder: Path) -> None:
    path = folder / "mitigations/mitigations.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    line = next(i for i, row in enumerate(rows, 1) if len(row["risks"]) > 1 and row["papers"])
    slug, kept = rows[line - 1]["slug"], rows[line - 1]["risks"][0]["risk"]
    claim = {"text": "Half.", "value": 50, "unit": "%", "paper": "arxiv:2307.15043"}
    change(path, line, risks=[{"risk": kept, "claim": claim}], papers=["arxiv:2307.15043"])
    load_all(folder)
    found = Mitigation.objects.get(slug=slug)
    assert [(a.risk.slug, a.claim) for a in found.answers.all()] == [(kept, "Half.")]
    assert [p.paper.key for p in found.proposals.all()] == ["arxiv:2307.15043"]


def test_files_may_go_on_naming_a_risk_that_was_merged(folder: Path) -> None:
    from taxonomy.operations import Action, perform
    from tests.people import person

    ada = person("ada")
    action = Action("merge", "risk", "sycophancy", {"into": "hallucination"}, 1)
    perform(action=action, by=ada, note="one thing")
    here = set(Placement.objects.filter(risk__slug="hallucination").values_list("pk", flat=True))
    change(folder / "taxonomy/stages.jsonl", 1, summary="Something new.")
    load_all(folder)
    assert not Placement.objects.filter(risk__slug="sycophancy").exists()
    now = Placement.objects.filter(risk__slug="hallucination")
    assert set(now.values_list("pk", flat=True)) == here


def test_mappings_follow_the_files_unless_a_person_made_them(folder: Path) -> None:
    path = folder / "frameworks/mappings.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    mine, theirs, gone = (
        Mapping.objects.get(risk__slug=row["risk"], entry__ident=row["entry"]) for row in rows[:3]
    )
    mine.mapped_by, mine.note = get_user_model().objects.create_user("curator"), "By hand."
    mine.save()
    change(path, 1, note="From the new files.")
    change(path, 2, note="From the new files.", relation="close")
    path.write_text(
        "\n".join(line for i, line in enumerate(path.read_text().splitlines()) if i != 2)
    )
    load_all(folder)
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert mine.note == "By hand."
    assert (theirs.note, theirs.relation) == ("From the new files.", "close")
    assert not Mapping.objects.filter(pk=gone.pk).exists()


def test_a_mapping_is_stale_once_its_framework_moves_on(client: Client) -> None:
    mapping = Mapping.objects.filter(entry__framework__slug="owasp-llm").first()
    assert mapping
    assert not mapping.stale
    Framework.objects.filter(slug="owasp-llm").update(version="2027")
    page = client.get(mapping.risk.get_absolute_url()).content.decode()
    assert "now 2027: to be checked again" in page
    listed = client.get("/api/v1/frameworks/").json()["results"]
    stale = {row["slug"]: row["stale"] for row in listed}
    assert stale["owasp-llm"] == Mapping.objects.filter(entry__framework__slug="owasp-llm").count()
    assert stale["mitre-atlas"] == 0


def test_the_command_ends_with_code_two(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise FixtureError(Path("papers/facts.jsonl"), 7, "has no 'key'")

    monkeypatch.setattr("kb.management.commands.load_fixtures.load_all", broken)
    with pytest.raises(CommandError, match="line 7") as error:
        call_command("load_fixtures")
    assert error.value.returncode == 2
