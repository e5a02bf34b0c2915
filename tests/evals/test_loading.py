"""Stored records: made by the bench, shipped as files, shown by a fresh install."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from bench import evals as bench
from bench import results
from evals import operations, queries
from evals.engine import provenance, records, registry
from evals.engine.mitigations import perplexity_filter as pf
from evals.engine.records import BadRecord
from evals.engine.spec import Spec
from evals.loading import load_runs
from evals.models import Run
from tests.fakes import FakeLanguageModel

SLUG = "perplexity-filter"
PARAMS = {"n": 30, "search_steps": 0}


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """A whole record, measured on the fake model."""
    spec = Spec.create(SLUG, params=PARAMS)
    watch = provenance.Stopwatch()
    return pf.measure_on(FakeLanguageModel(), spec, lambda p: None, watch).to_dict()  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bench, writing to a folder of the test's own."""
    monkeypatch.setattr(bench, "STORE", tmp_path / "runs")
    monkeypatch.setattr(bench, "PAGE", tmp_path / "results.md")
    return tmp_path / "runs"


def put(folder: Path, record: dict[str, Any]) -> Path:
    spec = Spec.from_dict(record["spec"])
    return records.write(folder, bench.trimmed(record), spec.digest, "source")


def test_a_record_survives_the_file(tmp_path: Path, record: dict[str, Any]) -> None:
    path = put(tmp_path, record)
    found = records.read(path)
    assert found["record"]["metrics"] == record["metrics"]
    assert found["sha256"] == records.digest(found["record"])
    assert path.stat().st_size < bench.MOST_BYTES
    assert records.slug(path) == SLUG


def test_what_was_left_out_is_said(record: dict[str, Any]) -> None:
    found = bench.trimmed(record)
    assert len(found["samples"]) < len(record["samples"])
    assert f"Of {len(record['samples'])} samples" in found["notes"][-1]
    assert found["metrics"] == record["metrics"]
    assert {s["group"] for s in found["samples"]} == {s["group"] for s in record["samples"]}


def test_a_large_record_is_compressed_and_replaces_the_plain_one(
    tmp_path: Path, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = put(tmp_path, record)
    monkeypatch.setattr(records, "PLAIN_BYTES", 100)
    packed = put(tmp_path, record)
    assert packed.name == f"{SLUG}.json.gz"
    assert not plain.exists()
    assert records.read(packed)["record"]["spec"] == record["spec"]


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "cannot be read"), ("[]", "has not just"), ('{"record": {}}', "has not just")],
)
def test_a_broken_file_says_so(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(BadRecord, match=said):
        records.read(tmp_path / "x.json")


def test_a_changed_record_is_refused(tmp_path: Path, record: dict[str, Any]) -> None:
    path = put(tmp_path, record)
    kept = json.loads(path.read_text())
    kept["record"]["metrics"][0]["value"] = 0.0
    path.write_text(json.dumps(kept))
    with pytest.raises(BadRecord, match="sha256"):
        records.read(path)


@pytest.mark.django_db
def test_a_fresh_install_shows_what_was_measured(
    tmp_path: Path, record: dict[str, Any], client: Client
) -> None:
    put(tmp_path, record)
    assert load_runs(tmp_path) == {"created": 1, "updated": 0, "kept": 0}
    run = Run.objects.get()
    assert (run.status, run.verdict) == ("done", record["validity"]["verdict"])
    assert run.origin.startswith("elsewhere: on ")
    assert run.created_at == run.started_at
    assert run.metrics.count() == len(record["metrics"])
    assert "measured elsewhere: on" in client.get(run.get_absolute_url()).content.decode()
    risk = client.get("/api/v1/risks/adversarial-suffix/").json()["mitigations"]
    assert any((row["latest_run"] or {}).get("id") == str(run.pk) for row in risk)
    assert load_runs(tmp_path) == {"created": 0, "updated": 0, "kept": 1}


@pytest.mark.django_db
def test_loading_replaces_and_removes_its_own_and_nothing_else(
    tmp_path: Path, record: dict[str, Any]
) -> None:
    mine, _ = operations.request_run(mitigation=SLUG, params={"n": 31})
    path = put(tmp_path, record)
    load_runs(tmp_path)
    first = Run.objects.exclude(origin="").get()
    put(tmp_path, {**record, "notes": ["measured anew"]})
    assert load_runs(tmp_path)["created"] == 1
    again = Run.objects.exclude(origin="").get()
    assert again.pk == first.pk
    assert again.result_digest != first.result_digest
    path.unlink()
    load_runs(tmp_path)
    assert Run.objects.get() == mine


@pytest.mark.django_db
def test_pressing_run_measures_here_all_the_same(tmp_path: Path, record: dict[str, Any]) -> None:
    put(tmp_path, record)
    load_runs(tmp_path)
    run, new = operations.request_run(mitigation=SLUG, params=PARAMS)
    assert new
    taken = operations.start(run_id=run.pk)
    assert taken
    operations.finish(run=taken, result=record)
    assert queries.latest_runs(mitigation=SLUG)[SLUG, "adversarial-suffix"].pk == run.pk


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [{"spec": {"mitigation": "gone"}}, {"validity": {"verdict": "fine", "reason": ""}}],
)
def test_a_record_that_fits_no_more_is_named(
    tmp_path: Path, record: dict[str, Any], change: dict[str, Any]
) -> None:
    records.write(tmp_path, {**record, **change} | {"provenance": record["provenance"]}, "d", "s")
    with pytest.raises(BadRecord, match="does not fit"):
        load_runs(tmp_path)
    assert not Run.objects.exists()


def test_the_bench_goes_on_where_it_stopped(
    store: Path, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    runs: list[str] = []

    def measured(spec: Spec) -> tuple[dict[str, Any], str]:
        runs.append(spec.mitigation)
        return {**record, "spec": spec.to_dict()}, ""

    monkeypatch.setattr(bench, "measure", measured)
    assert bench.main([SLUG]) == 0
    assert bench.main([SLUG]) == 0
    assert runs == [SLUG]
    assert bench.main([SLUG, "--again"]) == 0
    monkeypatch.setattr(bench, "source_digest", lambda known: "changed")
    bench.main([SLUG])
    assert runs == [SLUG] * 3
    assert "total" in capsys.readouterr().out
    assert "Perplexity filter (windowed)" in bench.PAGE.read_text()


def test_a_failed_run_is_said_and_the_bench_goes_on(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "measure", lambda spec: ({}, "no weights here"))
    assert bench.main([SLUG, "spotlighting"]) == 1
    page = bench.PAGE.read_text()
    assert f"- `{SLUG}`: no weights here" in page
    assert "`spotlighting`: no weights here" in page
    assert not records.stored(store)


def test_an_unknown_mitigation_is_bad_input(store: Path, capsys: Any) -> None:
    assert bench.main(["perplexity"]) == 2
    assert SLUG in capsys.readouterr().err


def test_the_source_digest_knows_organisms_and_datasets_and_not_the_frame() -> None:
    known = registry.get_mitigation("spotlighting")
    names = {path.name for path in bench._sources(Path(bench.inspect.getfile(known.measure)))}
    assert {"spotlighting.py", "document_assistant.py", "documents.py"} <= names
    assert not {"trial.py", "sheet.py", "registry.py"} & names
    assert bench.source_digest(known) != bench.source_digest(registry.get_mitigation(SLUG))


def test_the_page_is_honest_about_what_helped_nothing(record: dict[str, Any]) -> None:
    gap = dict(results.primary(record), difference=0.02, low=-0.1, high=0.1)
    nothing = {**record, "comparisons": [gap]}
    worse = {**record, "comparisons": [{**gap, "low": 0.01}]}
    floor = {**record, "validity": {"verdict": "floor", "reason": "Nothing to mitigate."}}
    page = results.page([nothing, worse, floor], {})
    assert "1 floor" in page
    assert "Nothing to mitigate." in page
    assert "No effect shown" in page
    assert "Made it worse" in page


def test_a_stack_is_kept_beside_its_mitigations(tmp_path: Path, record: dict[str, Any]) -> None:
    spec = bench._spec("self-reminder+in-context-defence")
    assert (spec.mitigation, spec.stack) == ("self-reminder", "in-context-defence")
    stacked = {**record, "spec": spec.to_dict()}
    assert put(tmp_path, stacked).name == "self-reminder+in-context-defence.json"
    put(tmp_path, record)
    assert [records.slug(path) for path in records.stored(tmp_path)] == [
        SLUG,
        "self-reminder+in-context-defence",
    ]
    page = results.page([record, stacked], {})
    assert "1 mitigations:" in page
    assert "## Self-reminder with in-context defence" in page


@pytest.mark.django_db
def test_a_stack_is_told_from_its_first_mitigation(
    client: Client, tmp_path: Path, record: dict[str, Any]
) -> None:
    spec = bench._spec("self-reminder+in-context-defence")
    put(tmp_path, {**record, "spec": spec.to_dict()})
    load_runs(tmp_path)
    row = client.get("/api/v1/runs/").json()["results"][0]
    assert (row["mitigation"], row["stack"]) == ("self-reminder", "in-context-defence")
    assert client.get(row["url"]).json()["stack"] == "in-context-defence"
    assert "with in-context defence behind it" in client.get(row["page"]).content.decode()


def test_a_stack_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["self-reminder+dp-sgd"]) == 2
    assert "bench.evals:" in capsys.readouterr().err
