"""Where endpoints may be: names that lead elsewhere, now or later, are refused."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client

from evals import addresses, operations, worker
from evals.models import Run, Target

HOST = "models.example.org"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names stand for; a test fills it in."""
    known: dict[str, list[str]] = {}

    def resolve(host: str, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


REFUSED = {
    "169.254.169.254": "link-local",
    "fe80::1%eth0": "link-local",
    "::ffff:169.254.169.254": "link-local",
    "64:ff9b::a9fe:a9fe": "link-local",
    "2002:a9fe:a9fe::1": "link-local",
    "0.0.0.0": "reserved",
    "0.1.2.3": "reserved",
    "::": "reserved",
    "255.255.255.255": "reserved",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "100.100.100.200": "metadata",
    "fd00:ec2::254": "metadata",
    "127.0.0.1": "under another name",
    "127.8.8.8": "under another name",
    "::1": "under another name",
    "::ffff:127.0.0.1": "under another name",
}


@pytest.mark.parametrize(("ip", "said"), REFUSED.items())
def test_a_name_that_leads_astray_is_refused(
    names: dict[str, list[str]], ip: str, said: str
) -> None:
    names[HOST] = ["93.184.216.34", ip]  # one good answer does not hide a bad one
    with pytest.raises(addresses.BadAddress, match=said):
        addresses.check(f"http://{HOST}/v1", local=True)


@pytest.mark.parametrize("ip", ["93.184.216.34", "10.0.0.7", "192.168.1.9", "2606:4700::1111"])
def test_other_addresses_are_fine(names: dict[str, list[str]], ip: str) -> None:
    names[HOST] = [ip]
    addresses.check(f"https://{HOST}:8443/v1", local=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "vllm.localhost"])
def test_this_machine_where_the_site_permits_it(names: dict[str, list[str]], host: str) -> None:
    names[host.strip("[]")] = ["127.0.0.1"]
    addresses.check(f"http://{host}:8010/v1", local=True)
    with pytest.raises(addresses.BadAddress, match="not permitted"):
        addresses.check(f"http://{host}:8010/v1", local=False)


def test_what_is_called_localhost_and_is_not(names: dict[str, list[str]]) -> None:
    names["localhost"] = ["169.254.169.254"]
    with pytest.raises(addresses.BadAddress, match="link-local"):
        addresses.check("http://localhost/v1", local=True)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"http://{HOST}/v1", "does not resolve"),
        ("http://[::1/v1", "no address"),
        (f"http://{HOST}:99999/v1", "no address"),
        ("http:///v1", "no host"),
    ],
)
def test_what_is_no_address_is_said(names: dict[str, list[str]], address: str, said: str) -> None:
    with pytest.raises(addresses.BadAddress, match=said):
        addresses.check(address, local=True)


def target(name: str = HOST) -> Target:
    return Target(slug="far", name="Far", kind="endpoint", base_url=f"http://{name}/v1", model="m")


@pytest.mark.django_db
def test_registration_resolves_the_name(names: dict[str, list[str]], settings: Any) -> None:
    with pytest.raises(ValidationError, match="does not resolve"):
        target().full_clean()
    names[HOST] = ["169.254.169.254"]
    with pytest.raises(ValidationError, match="link-local"):
        target().full_clean()
    names[HOST] = ["93.184.216.34"]
    target().full_clean()
    settings.LOCAL_ENDPOINTS = False
    with pytest.raises(ValidationError, match="not permitted"):
        target("127.0.0.1").full_clean()


@pytest.mark.django_db
def test_the_admin_says_it_in_the_form(names: dict[str, list[str]]) -> None:
    names[HOST] = ["169.254.169.254"]
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    form = {"slug": "far", "name": "Far", "model": "m", "per_minute": 0, "active": "on"}
    for address, said in ((f"http://{HOST}/v1", "link-local"), ("http://[::1/v1", "Invalid IPv6")):
        page = client.post("/admin/evals/target/add/", {**form, "base_url": address})
        assert page.status_code == 200
        assert said in page.content.decode()
    assert not Target.objects.filter(slug="far").exists()


def asked(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A queued run against a registered endpoint; the engine must not be started."""
    target().save()

    def start(*args: Any) -> Any:
        raise AssertionError("the engine was started")

    monkeypatch.setattr(worker, "_command", start)
    return operations.request_run(mitigation="spotlighting", target="far")[0]


@pytest.mark.django_db
def test_a_name_that_changed_its_answer_fails_the_run(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asked(monkeypatch)
    names[HOST] = ["169.254.169.254"]
    worker.measure(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.FAILED
    assert "link-local" in run.error


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"active": False}, {"base_url": "http://other.example/v1"}])
def test_an_endpoint_that_was_withdrawn_is_not_run_against(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    names[HOST] = ["93.184.216.34"]
    run = asked(monkeypatch)
    Target.objects.filter(slug="far").update(**change)
    worker.measure(run.pk)
    run.refresh_from_db()
    assert "not registered any more" in run.error


def connecting(address: str, *, local: bool, family: str = "AF_INET") -> Any:
    """A process that is guarded and connects."""
    code = (
        "import socket; from evals import addresses\n"
        f"addresses.guard(local={local})\n"
        f"s = socket.socket(socket.{family}, socket.SOCK_STREAM); s.settimeout(1)\n"
        f"try: s.connect(({address!r}, 9))\nexcept OSError as error: print('tried')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_the_engine_ends_where_a_connection_leads_astray() -> None:
    """Whatever was resolved before: this is the address that is connected to."""
    for host, family in (("169.254.169.254", "AF_INET"), ("fe80::1", "AF_INET6")):
        done = connecting(host, local=True, family=family)
        assert (done.returncode, done.stdout) == (1, "")
        assert "a link-local address. The run was ended." in done.stderr
    assert "under another name" in connecting("127.0.0.1", local=False).stderr
    assert "a name where" in connecting("localhost", local=True).stderr
    assert connecting("127.0.0.1", local=True).stdout == "tried\n"


@pytest.mark.slow
def test_the_real_engine_is_guarded_after_the_check(tmp_path: Path) -> None:
    """The worker took the endpoint for a far one; by then its name means this machine."""
    far = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
    spec = {"mitigation": "spotlighting", "target": "far", "params": {"n": 30}, "endpoint": far}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    paths = tmp_path / "spec.json", tmp_path / "out.json"
    command = worker._command(*paths, {**far, "base_url": f"http://{HOST}/v1"})
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "led to 127.0.0.1, this machine under another name" in done.stderr
    assert not paths[1].exists()


def test_only_a_run_against_an_endpoint_may_use_the_network(tmp_path: Path) -> None:
    far = {"base_url": f"http://{HOST}/v1", "model": "m"}
    assert worker._command(tmp_path, tmp_path, far).count("--network") == 1
    assert "--local" not in worker._command(tmp_path, tmp_path, far)
    near = {**far, "base_url": "http://127.0.0.1:8010/v1"}
    assert "--local" in worker._command(tmp_path, tmp_path, near)
    assert "--network" not in worker._command(tmp_path, tmp_path, None)


def test_every_spelling_of_an_address_is_looked_at() -> None:
    for text, said in REFUSED.items():
        found = ipaddress.ip_address(text.partition("%")[0])
        assert said in addresses.refusal(found, local=False)
