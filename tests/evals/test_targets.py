"""Endpoints as targets: who registers them, what a run against one may know and reach."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import Client

from evals import operations, worker
from evals.engine import registry
from evals.engine.endpoints import key_variable
from evals.engine.params import BadParameter
from evals.engine.serving import Server
from evals.forms import RunForm
from evals.models import Run, Target
from tests.fakes import FakeLanguageModel

pytestmark = pytest.mark.django_db
WORDS = {"slug": "my-server", "name": "My server", "model": "m", "per_minute": 0, "active": "on"}
FORM = {**WORDS, "summary": "", "base_url": "http://127.0.0.1:9/v1"}


def endpoint(**changes: Any) -> Target:
    given = {"base_url": "http://127.0.0.1:9/v1", "model": "m", **changes}
    return Target.objects.create(slug="my-server", name="My server", kind="endpoint", **given)


def signed_in(*, superuser: bool) -> Client:
    user = User.objects.create_user("ada", is_staff=True, is_superuser=superuser)
    client = Client()
    client.force_login(user)
    return client


def test_an_administrator_registers_an_endpoint() -> None:
    client = signed_in(superuser=True)
    assert client.get("/admin/evals/target/add/").status_code == 200
    assert client.post("/admin/evals/target/add/", FORM).status_code == 302
    found = Target.objects.get(slug="my-server")
    assert (found.kind, found.endpoint["base_url"]) == ("endpoint", "http://127.0.0.1:9/v1")
    assert client.get(f"/admin/evals/target/{found.pk}/change/").status_code == 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base_url": "file:///etc"}, "http or https"),
        ({"base_url": "http://169.254.169.254/v1"}, "link-local or reserved"),
        ({"base_url": "http://2852039166/v1"}, "link-local or reserved"),
        ({"base_url": "http://[::ffff:169.254.169.254]/v1"}, "link-local or reserved"),
        ({"base_url": "http://metadata.google.internal/v1"}, "link-local or reserved"),
        ({"base_url": ""}, "http or https"),
        ({"model": ""}, "knows its model"),
        ({"slug": "document-assistant"}, "already"),
    ],
)
def test_a_bad_endpoint_is_a_form_error(change: dict[str, str], said: str) -> None:
    page = signed_in(superuser=True).post("/admin/evals/target/add/", {**FORM, **change})
    assert page.status_code == 200
    assert said in page.content.decode()
    assert not Target.objects.filter(kind="endpoint").exists()


def test_nobody_else_does() -> None:
    client = signed_in(superuser=False)
    assert client.post("/admin/evals/target/add/", FORM).status_code == 403
    body = {"mitigation": "spotlighting", "target": "x", "endpoint": {"base_url": "http://x"}}
    answer = client.post("/api/v1/runs/", body, content_type="application/json")
    assert answer.status_code == 400 or "endpoint" not in Run.objects.get().spec
    assert not Target.objects.filter(kind="endpoint").exists()


def test_a_bundled_target_keeps_its_kind_and_has_no_address() -> None:
    bundled = Target.objects.filter(kind="bundled").first()
    assert bundled is not None
    client = signed_in(superuser=True)
    client.post(f"/admin/evals/target/{bundled.pk}/change/", {**FORM, "slug": "other"})
    bundled.refresh_from_db()
    assert (bundled.base_url, bundled.kind) == ("", "bundled")
    bundled.base_url = "http://x/v1"
    with pytest.raises(IntegrityError):
        bundled.save()


def test_an_endpoint_without_an_address_cannot_be() -> None:
    with pytest.raises(ValidationError):
        Target(slug="x", name="x", kind="endpoint").full_clean()


def test_a_request_holds_the_address_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(key_variable("my-server"), "secret")
    endpoint(per_minute=30)
    run, new = operations.request_run(mitigation="spotlighting", target="my-server")
    assert new
    assert run.spec["endpoint"] == {
        "base_url": "http://127.0.0.1:9/v1", "model": "m", "per_minute": 30
    }  # fmt: skip
    assert "secret" not in str(run.spec)


def test_white_box_mitigations_are_refused(client: Client) -> None:
    endpoint()
    with pytest.raises(BadParameter, match="does not give"):
        operations.request_run(mitigation="perplexity-filter", target="my-server")
    body = {"mitigation": "perplexity-filter", "target": "my-server"}
    answer = client.post("/api/v1/runs/", body, content_type="application/json")
    assert answer.status_code == 400
    assert "does not give" in answer.content.decode()


def test_the_form_offers_endpoints_where_they_are_enough() -> None:
    endpoint()

    def offered(slug: str) -> list[Any]:
        return [
            value for value, _ in RunForm(registry.get_mitigation(slug)).fields["target"].choices
        ]  # type: ignore[attr-defined]

    assert "my-server" in offered("spotlighting")
    assert "my-server" not in offered("perplexity-filter")


def test_the_engine_knows_one_key_at_most(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(key_variable("my-server"), "mine")
    monkeypatch.setenv(key_variable("other"), "theirs")
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    monkeypatch.setenv("SAFESTACK_THREADS", "7")
    far, near = endpoint(), Target.objects.filter(kind="bundled")[0]
    assert worker._environment(tmp_path, far)[key_variable("my-server")] == "mine"
    for target in (far, near):
        assert not {"theirs", "postgres://secret"} & set(
            worker._environment(tmp_path, target).values()
        )
    assert key_variable("my-server") not in worker._environment(tmp_path, near)
    assert worker._environment(tmp_path, near)["SAFESTACK_THREADS"] == "7"


@pytest.fixture
def served() -> Iterator[Server]:
    server = Server(FakeLanguageModel(), "tiny", 0)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_a_whole_run_against_a_real_server(
    served: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client, settings: Any
) -> None:
    settings.VAR = tmp_path
    monkeypatch.setenv(key_variable("my-server"), "not-to-be-found")
    endpoint(base_url=served.base_url, model="tiny")
    params = {"n": 30, "max_new_tokens": 4}
    run, _ = operations.request_run(mitigation="spotlighting", target="my-server", params=params)
    worker.measure(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.DONE, run.error
    assert run.result is not None
    assert run.verdict == "floor"  # the fake obeys nobody
    model = run.result["provenance"]["model"]
    groups = {"injected": 30, "fake": 15, "encoded": 15, "translated": 15, "adaptive": 30}
    assert model["tokens"]["undefended"]["requests"] == sum(groups.values()) + 15  # clean ones
    assert model["endpoint"] == served.base_url
    assert "not-to-be-found" not in str(run.result)
    page = client.get(run.get_absolute_url()).content.decode()
    assert served.base_url in page
    assert "in 120 requests" in page
