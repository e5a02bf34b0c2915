"""Imported evidence on pages, by REST and from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from evals.models import EvidenceImport
from tests.people import person

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def report(passed: int = 60, probe: str = "dan.Dan_11_0") -> bytes:
    rows = [
        {"entry_type": "init", "garak_version": "0.17.1", "start_time": "2026-01-02T03:04:05"},
        {"entry_type": "eval", "probe": probe, "detector": "dan.DAN", "passed": passed,
         "total": 100},
        {"entry_type": "eval", "probe": f"odd.{HOSTILE}", "detector": "x", "passed": 1,
         "total": 2},
        {"entry_type": "eval", "probe": "bad", "detector": "x", "passed": 3, "total": 2},
    ]  # fmt: skip
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.fixture
def curator(client: Client) -> Client:
    client.force_login(person("ada"))
    return client


def upload(client: Client, content: bytes, **more: str) -> Any:
    file = SimpleUploadedFile("scan.report.jsonl", content)
    return client.post("/evidence/imports/", {"file": file, "note": "Our scan.", **more})


def test_a_report_is_read_mapped_published_and_shown(curator: Client) -> None:
    answer = upload(curator, report())
    made = EvidenceImport.objects.get()
    assert answer["Location"] == made.get_absolute_url()
    page = curator.get(made.get_absolute_url()).content.decode()
    assert "line 4" in page
    assert HOSTILE not in page
    known, odd = made.findings.all()
    assert (known.risk, known.suggested, odd.risk) == ("persona-jailbreak", True, "")
    assert "imported" not in Client().get("/risks/persona-jailbreak/").content.decode()
    assert Client().get(made.get_absolute_url()).status_code == 404
    form = {"risk-0": "persona-jailbreak", "mitigation-0": "self-reminder", "verb": "publish"}
    curator.post(f"/evidence/imports/{made.pk}/change/", form)
    risk = Client().get("/risks/persona-jailbreak/").content.decode()
    assert "Measured elsewhere, imported" in risk
    assert "40 % [31 %, 50 %], n 100" in risk.replace("\u00a0", " ")
    assert "Measured elsewhere" in Client().get("/mitigations/self-reminder/").content.decode()
    assert "scan.report.jsonl" in Client().get("/evidence/imports/").content.decode()
    known.refresh_from_db()
    assert not known.suggested


def test_the_same_file_is_kept_once(curator: Client) -> None:
    upload(curator, report())
    assert "here already" in curator.get(upload(curator, report())["Location"]).content.decode()
    assert EvidenceImport.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"hello", "neither a garak report"), (b"{}", "no results.results"), (b"", "empty")],
)
def test_what_cannot_be_read_is_said_on_the_form(
    curator: Client, content: bytes, said: str
) -> None:
    answer = upload(curator, content)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not EvidenceImport.objects.exists()


def test_only_curators_import(client: Client) -> None:
    assert upload(client, report()).status_code == 403
    client.force_login(person("bob", "contributor"))
    assert upload(client, report()).status_code == 403
    assert "Import a report" not in client.get("/evidence/imports/").content.decode()
    assert client.post("/evidence/imports/1/change/", {"verb": "delete"}).status_code == 403


def test_an_unknown_risk_changes_nothing(curator: Client) -> None:
    upload(curator, report())
    made = EvidenceImport.objects.get()
    form = {"risk-0": "nope", "mitigation-0": "", "verb": "publish"}
    page = curator.post(f"/evidence/imports/{made.pk}/change/", form, follow=True)
    assert "No risk is called" in page.content.decode()
    made.refresh_from_db()
    assert made.published_at is None
    curator.post(f"/evidence/imports/{made.pk}/change/", {"verb": "delete"})
    assert not EvidenceImport.objects.exists()


def test_the_same_by_rest(curator: Client) -> None:
    def send(**more: Any) -> Any:
        file = SimpleUploadedFile("scan.jsonl", report())
        return curator.post("/api/v1/imports/", {"file": file, **more})

    assert send(mitigation="nope").status_code == 400
    made = send(note="Our scan.")
    assert made.status_code == 201
    assert [row["risk"] for row in made.json()["findings"]] == ["persona-jailbreak", ""]
    assert made.json()["problems"][0]["where"] == "line 4"
    assert send().status_code == 200
    address = f"/api/v1/imports/{made.json()['id']}/"
    assert Client().get(address).status_code == 404
    change = {"findings": [{"position": 1, "risk": "toxic-output"}], "published": True}
    done = curator.patch(address, json.dumps(change), content_type="application/json")
    assert done.json()["findings"][1]["risk"] == "toxic-output"
    assert Client().get(address).status_code == 200
    assert Client().get("/api/v1/imports/").json()["results"][0]["mapped"] == 2
    wrong = {"findings": [{"position": 7, "risk": ""}]}
    assert curator.patch(address, json.dumps(wrong), content_type="application/json").json()[
        "errors"
    ] == {"findings": ["This import has no finding 7."]}
    assert Client().delete(address).status_code == 401
    assert curator.delete(address).status_code == 204


def test_the_same_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "scan.jsonl"
    path.write_bytes(report())

    def said(*more: str) -> str:
        out = io.StringIO()
        call_command("import_evidence", str(path), *more, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    assert "2 findings, 1 remarks; not kept" in said("--dry-run")
    assert not EvidenceImport.objects.exists()
    group = f"odd.{HOSTILE}"
    assert "imported" in said("--map", f"{group}=toxic-output", "--publish")
    made = EvidenceImport.objects.get()
    assert made.published_at is not None
    assert [row.risk for row in made.findings.all()] == ["persona-jailbreak", "toxic-output"]
    for wrong in (["--map", "x"], ["--map", "dan.Dan_11_0=nope"], ["--mitigation", "nope"]):
        path.write_bytes(report(passed=61))
        with pytest.raises(CommandError) as error:
            said(*wrong)
        assert error.value.returncode == 2
    path.write_bytes(b"hello")
    with pytest.raises(CommandError, match="neither a garak report"):
        said()


def test_a_curator_grades_on_a_page(curator: Client) -> None:
    from taxonomy.models import RiskMitigation

    answer = RiskMitigation.objects.get(
        risk__slug="adversarial-suffix", mitigation__slug="perplexity-filter"
    )
    address = f"/curate/grade/{answer.pk}/"
    assert address in curator.get("/risks/adversarial-suffix/").content.decode()
    form = {"grade": "partly", "note": "", "changeset": "", "version": answer.version}
    assert curator.post(address, form).status_code == 400
    curator.post(address, {**form, "note": "Whitespace tricks get around it."})
    risk = Client().get("/risks/adversarial-suffix/").content.decode()
    assert "Whitespace tricks get around it." in risk
    assert "(set by a curator)" in risk
    answer.refresh_from_db()
    stale = curator.post(address, {**form, "note": "Old version."})
    assert stale.status_code == 409
    back = {**form, "grade": "", "note": "The runs say it.", "version": answer.version}
    curator.post(address, back)
    answer.refresh_from_db()
    assert answer.grade_reason == ""
    assert Client().get(address).status_code == 302
    assert curator.get("/curate/grade/999999/").status_code == 404
