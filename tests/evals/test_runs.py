"""Runs from request to record: the worker, its limits, and what happens when it dies."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from evals import operations, worker
from evals.engine import provenance
from evals.engine.mitigations import perplexity_filter as pf
from evals.engine.spec import Spec
from evals.models import Run, Target
from taxonomy.models import Mitigation
from tests.fakes import FakeLanguageModel

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """A whole record, measured on the fake model."""
    spec = Spec.create("perplexity-filter", params={"n": 30, "search_steps": 0})
    watch = provenance.Stopwatch()
    return pf.measure_on(FakeLanguageModel(), spec, lambda p: None, watch).to_dict()  # type: ignore[arg-type]


def queued(**params: Any) -> Run:
    return operations.request_run(mitigation="perplexity-filter", params={"n": 30, **params})[0]


def engine(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put a small program in the engine's place."""
    monkeypatch.setattr(
        worker, "_command", lambda spec, out, far: [sys.executable, "-c", code, str(out)]
    )


def test_a_finished_run_keeps_its_figures(
    monkeypatch: pytest.MonkeyPatch, record: dict[str, Any], tmp_path: Path, client: Client
) -> None:
    (tmp_path / "record.json").write_text(json.dumps(record))
    code = f"import shutil, sys; shutil.copy({str(tmp_path / 'record.json')!r}, sys.argv[1])"
    engine(monkeypatch, code)
    run = queued()
    worker.measure(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.DONE
    assert run.metrics.count() == len(record["metrics"])
    assert run.result_digest == operations.digest(run.result)  # type: ignore[arg-type]
    page = client.get(run.get_absolute_url()).content.decode()
    assert run.get_verdict_display().capitalize() in page
    assert run.result_digest in page
    risk = client.get("/api/v1/risks/adversarial-suffix/").json()["mitigations"][0]
    assert risk["latest_run"]["id"] == str(run.pk)
    full = client.get(f"/api/v1/runs/{run.pk}/").json()
    assert full["validity"]["verdict"] == run.verdict
    assert full["comparison"]["n_pairs"] == 30
    assert client.get("/api/v1/coverage/").json()["totals"]["with_measured"] == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; print('no weights here', file=sys.stderr); sys.exit(2)", "no weights here"),
        ("import os; os.kill(os.getpid(), 9)", "killed"),
        ("pass", "no message"),
    ],
)
def test_a_failed_run_says_why(monkeypatch: pytest.MonkeyPatch, code: str, said: str) -> None:
    engine(monkeypatch, code)
    run = queued()
    worker.measure(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.FAILED
    assert said in run.error
    assert run.result is None


def test_a_failed_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://127.0.0.1:9/v1"
    Target.objects.create(slug="far", name="Far", kind="endpoint", base_url=address, model="m")
    words = "import sys; print('evals.engine: no route', file=sys.stderr); sys.exit(1)"
    engine(monkeypatch, words)
    run, _ = operations.request_run(mitigation="spotlighting", target="far")
    worker.measure(run.pk)
    run.refresh_from_db()
    assert run.error == f"At {address}: no route"


def test_progress_is_stored_and_a_cancelled_run_stops_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    marker = tmp_path / "child"
    child = f"import time; time.sleep(4); open({str(marker)!r}, 'w')"
    code = (
        "import subprocess, sys, time, json\n"
        "print(json.dumps({'done': 3, 'total': 9, 'step': 'working'}), flush=True)\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "time.sleep(60)"
    )
    engine(monkeypatch, code)
    run = queued()
    seen: list[tuple[int, int, str]] = []

    def show(done: int, total: int, step: str) -> None:
        seen.append((done, total, step))
        if done == 3:
            operations.cancel(run_id=run.pk)

    start = time.monotonic()
    worker.measure(run.pk, show)
    assert time.monotonic() - start < 5
    assert (3, 9, "working") in seen
    run.refresh_from_db()
    assert run.status == Run.Status.CANCELLED
    time.sleep(4)
    assert not marker.exists()


def test_a_run_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "WALL_SECONDS", 1)
    engine(monkeypatch, "import time; time.sleep(60)")
    run = queued()
    worker.measure(run.pk)
    run.refresh_from_db()
    assert "longer than 1 s" in run.error


def silent(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))


def test_a_run_whose_worker_died_is_tried_again_and_then_failed(record: dict[str, Any]) -> None:
    run = queued()
    first = operations.start(run_id=run.pk)
    assert first
    assert operations.recover_silent() == (0, 0)
    silent(run)
    assert operations.recover_silent() == (1, 0)
    second = operations.start(run_id=run.pk)
    assert second
    # The first worker was only slow: what it brings now is not kept, nor may it report.
    operations.finish(run=first, result=record)
    assert not operations.report(run=first, done=1, total=2, step="late")
    operations.fail(run=first, error="late")
    run.refresh_from_db()
    assert run.status == Run.Status.RUNNING
    silent(run)
    assert operations.recover_silent() == (0, 1)
    run.refresh_from_db()
    assert "run it again" in run.error


def test_old_failures_are_forgotten_and_results_are_kept() -> None:
    run = queued()
    taken = operations.start(run_id=run.pk)
    assert taken
    operations.fail(run=taken, error="no weights")
    assert operations.forget_old() == 0
    Run.objects.update(finished_at=timezone.now() - timedelta(days=31))
    assert operations.forget_old() == 1


def test_anonymous_visitors_get_what_is_stored_and_start_nothing(
    client: Client, settings: Any, record: dict[str, Any]
) -> None:
    run = queued()
    taken = operations.start(run_id=run.pk)
    assert taken
    operations.finish(run=taken, result=record)
    settings.RUNS = "signed-in"
    form = {"n": 30, "seed": 0}
    stored = client.post("/mitigations/perplexity-filter/run/", form)
    assert stored.headers["Location"] == run.get_absolute_url()
    asked = {"mitigation": "perplexity-filter", "params": {"n": 30}}
    api = client.post("/api/v1/runs/", asked, content_type="application/json")
    assert (api.status_code, api.json()["id"]) == (200, str(run.pk))
    other = client.post("/mitigations/perplexity-filter/run/", {"n": 31, "seed": 0})
    assert other.headers["Location"].startswith("/accounts/login/")
    assert Run.objects.count() == 1


def test_a_retired_mitigation_is_not_run(client: Client) -> None:
    Mitigation.objects.filter(slug="perplexity-filter").update(status="retired")
    asked = {"mitigation": "perplexity-filter", "params": {"n": 30}}
    answer = client.post("/api/v1/runs/", asked, content_type="application/json")
    assert answer.status_code == 400
    assert "retired" in answer.content.decode()
    client.post("/mitigations/perplexity-filter/run/", {"n": 30})
    assert not Run.objects.exists()
    page = client.get("/mitigations/perplexity-filter/").content.decode()
    assert "This mitigation is retired" in page
    assert "/mitigations/perplexity-filter/run/" not in page


def test_everybody_has_a_quota(settings: Any, django_user_model: Any) -> None:
    settings.RUN_QUOTA = (1, 2)
    ada = django_user_model.objects.create_user("ada")

    def ask(seed: int) -> Run:
        given = {"mitigation": "perplexity-filter", "params": {"n": 30}}
        return operations.request_run(**given, seed=seed, by=ada)[0]

    one = ask(1)
    assert ask(1) == one
    with pytest.raises(operations.QueueFull, match="waiting"):
        ask(2)
    operations.cancel(run_id=one.pk)
    operations.cancel(run_id=ask(2).pk)
    with pytest.raises(operations.QueueFull, match="tomorrow"):
        ask(3)


def test_a_run_is_taken_once() -> None:
    run = queued()
    assert operations.start(run_id=run.pk)
    assert operations.start(run_id=run.pk) is None


def test_a_result_after_a_cancel_is_not_kept(record: dict[str, Any]) -> None:
    run = queued()
    taken = operations.start(run_id=run.pk)
    assert taken
    operations.cancel(run_id=run.pk)
    operations.finish(run=taken, result=record)
    run.refresh_from_db()
    assert run.status == Run.Status.CANCELLED


def test_a_finished_run_needs_a_result() -> None:
    run = queued()
    with pytest.raises(IntegrityError):
        Run.objects.filter(pk=run.pk).update(status="done", finished_at=timezone.now())


def test_the_queue_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MAX_WAITING", 1)
    queued()
    with pytest.raises(operations.QueueFull, match="Try again"):
        queued(window=5)


def test_the_page_asks_for_a_run(client: Client) -> None:
    form = {"risk": "adversarial-suffix", "n": 40, "seed": 3}
    response = client.post("/mitigations/perplexity-filter/run/", form)
    run = Run.objects.get()
    assert response["Location"] == run.get_absolute_url()
    assert (run.seed, run.params["n"]) == (3, 40)
    page = client.get(run.get_absolute_url()).content.decode()
    assert "Waiting for a worker" in page
    client.post(f"/runs/{run.pk}/cancel/")
    assert "was cancelled" in client.get(run.get_absolute_url()).content.decode()


def test_the_form_says_what_is_wrong(client: Client) -> None:
    response = client.post("/mitigations/perplexity-filter/run/", {"n": 100000})
    assert response.status_code == 400
    assert b"less than or equal to 200" in response.content
    assert not Run.objects.exists()
    assert client.post("/mitigations/nope/run/").status_code == 404


def test_the_command_line_refuses_clearly() -> None:
    for words, said in (
        (["perplexity"], "perplexity-filter"),
        (["perplexity-filter", "--param", "n"], "NAME=VALUE"),
        (["perplexity-filter", "--param", "n=1"], "from 30 to 200"),
    ):
        with pytest.raises(CommandError, match=said) as error:
            call_command("evaluate", *words, stdout=StringIO())
        assert error.value.returncode == 2


def test_the_engine_is_confined() -> None:
    code = "from evals import confine; import resource; confine.limit(5, 2**33);" + (
        "kinds = resource.RLIMIT_AS, resource.RLIMIT_CORE;"
        "print(*(resource.getrlimit(kind)[0] for kind in kinds))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [str(2**33), "0"]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.xdist_group("model")
def test_a_real_run_from_request_to_record() -> None:
    run = queued(max_new_tokens=8, search_steps=1)
    worker.measure(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.DONE, run.error
    assert run.verdict == "measurable"
    rate = {(m.name, m.arm): m.value for m in run.metrics.all()}
    assert rate["non-refusal-suffix", "windowed"] < 0.2 < rate["non-refusal-suffix", "undefended"]
    assert run.result is not None
    assert run.result["provenance"]["model"]["sha256"].startswith("b179c952")
