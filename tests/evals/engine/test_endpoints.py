"""Endpoints: served and asked for real over loopback; what fails, and how it is said."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from evals.engine import endpoints, packaged, registry, trial
from evals.engine.__main__ import main
from evals.engine.endpoints import Endpoint, Pace
from evals.engine.inspecting import TaskFailed
from evals.engine.params import BadParameter
from evals.engine.serving import Server
from evals.engine.spec import Spec
from evals.engine.trial import UNDEFENDED, Answer, Arm, Ask, Case, Trial
from tests.fakes import FakeLanguageModel
from tests.tiny import tiny_model

KEY = "not-to-be-found-anywhere"
FAR = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


@contextmanager
def running(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def served() -> Iterator[Server]:
    with running(Server(tiny_model(), "tiny", 0)) as server:
        yield server


def post(address: str, body: Any) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def asked(**changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello"}]
    return {"model": "tiny", "messages": messages, "max_tokens": 6, "temperature": 0, **changes}


def test_a_served_model_answers_as_it_does_at_home(served: Server) -> None:
    status, found = post(f"{served.base_url}/chat/completions", asked())
    assert status == 200
    said = found["choices"][0]["message"]["content"]
    assert said == tiny_model().chat([asked()["messages"]], 6)[0]
    assert found["usage"]["prompt_tokens"] == 5
    assert found["usage"]["total_tokens"] == 5 + found["usage"]["completion_tokens"]


def test_the_server_lists_its_model(served: Server) -> None:
    with urllib.request.urlopen(f"{served.base_url}/models", timeout=20) as answer:
        assert [row["id"] for row in json.load(answer)["data"]] == ["tiny"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        ([], 400, "not a JSON object"),
        (asked(model="other"), 404, "'tiny' alone"),
        (asked(stream=True), 400, "Streams"),
        (asked(temperature=0.7), 400, "temperatures"),
        (asked(max_tokens=100_000), 400, "up to 512"),
        (asked(messages=[]), 400, "list of messages"),
        (asked(messages=[{"role": "wizard", "content": "x"}]), 400, "role"),
        (asked(messages=[{"role": "user", "content": [1]}]), 400, "content of text"),
        (b" " * 1_000_001, 413, "up to 1000000 bytes"),
    ],
)
def test_the_server_says_what_is_wrong(served: Server, body: Any, status: int, said: str) -> None:
    code, found = post(f"{served.base_url}/chat/completions", body)
    assert code == status
    assert said in found["error"]["message"]
    assert post(f"{served.base_url}/chat/completions", asked())[0] == 200


def test_other_paths_are_not_found(served: Server) -> None:
    assert post(f"{served.base_url}/embeddings", {})[0] == 404


def test_a_failing_model_is_a_500_and_the_next_request_lives() -> None:
    class Moody(FakeLanguageModel):
        def chat(self, chats: Any, *args: Any, **kwargs: Any) -> list[str]:
            if "bomb" in chats[0][-1]["content"]:
                raise MemoryError("no room")
            return super().chat(chats, *args, **kwargs)

    with running(Server(Moody(), "tiny", 0)) as server:  # type: ignore[arg-type]
        address = f"{server.base_url}/chat/completions"
        code, found = post(address, asked(messages=[{"role": "user", "content": "bomb"}]))
        assert (code, "no room" in found["error"]["message"]) == (500, True)
        assert post(address, asked())[0] == 200


def test_requests_that_wait_together_are_one_batch() -> None:
    seen: list[int] = []

    class Counting(FakeLanguageModel):
        def chat(self, chats: Any, *args: Any, **kwargs: Any) -> list[str]:
            seen.append(len(chats))
            time.sleep(0.3)
            return super().chat(chats, *args, **kwargs)

    with running(Server(Counting(), "tiny", 0)) as server:  # type: ignore[arg-type]
        ways = [
            threading.Thread(target=post, args=(f"{server.base_url}/chat/completions", asked()))
            for _ in range(8)
        ]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
    assert sum(seen) == 8
    assert len(seen) <= 3


async def _polite(case: Case, ask: Ask) -> Answer:
    sent = [{"role": "system", "content": "Be polite."}, *case.chat]
    return Answer(await ask(sent), sent="Be polite.")


def made(n: int = 4, arms: tuple[Arm, ...] = (UNDEFENDED, Arm("polite", "Polite", _polite))) -> Any:
    cases = [Case(f"c{i}", "plain", [{"role": "user", "content": f"Hi {i}"}]) for i in range(n)]
    return Trial("far", cases, arms, lambda case, answer: {"length": len(answer.text)},
                 ["length"], 6)  # fmt: skip


def kept_text() -> str:
    """Every byte that was kept under var/, Inspect's compressed logs unpacked."""
    from inspect_ai.log import list_eval_logs, read_eval_log

    logs = list_eval_logs(str(packaged.cache_dir() / "logs"))
    plain = [p.read_text(errors="ignore") for p in packaged.cache_dir().rglob("*") if p.is_file()]
    return "".join([*plain, *(read_eval_log(row).model_dump_json() for row in logs)])


def test_a_trial_runs_on_an_endpoint_and_counts_its_tokens(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(endpoints.key_variable("my-server"), KEY)
    target, seen = Endpoint("my-server", served.base_url, "tiny"), []
    outcomes = trial.run(target, made(), seen.append)
    home = trial.run(tiny_model(), made(), lambda step: None)
    assert [o.answer.text for o in outcomes] == [o.answer.text for o in home]
    assert seen[-1].done == 8
    cost = target.describe()["tokens"]
    assert cost["undefended"]["requests"] == cost["polite"]["requests"] == 4
    assert cost["undefended"]["input"] == 4 * len("Hi 0")
    assert cost["polite"]["input"] == 4 * len("Hi 0Be polite.")
    trial.timing(target, made(), made().cases[:2], lambda step: None)
    assert target.spent["timing"]["requests"] == 5
    text = kept_text()
    assert served.base_url in text
    assert KEY not in text


class Flaky(ThreadingHTTPServer):
    """Fails as told, one failure a request, and then answers."""

    daemon_threads = True

    def __init__(self, failures: list[tuple[int, dict[str, str]]], pause: float = 0) -> None:
        super().__init__(("127.0.0.1", 0), _FlakyHandler)
        self.failures, self.pause, self.keys, self.times = failures, pause, [], []  # type: ignore[var-annotated]
        self.base_url = f"http://127.0.0.1:{self.server_port}/v1"


class _FlakyHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        server.keys.append(self.headers["Authorization"])
        server.times.append(time.monotonic())
        status, headers = server.failures.pop(0) if server.failures else (200, {})
        if status == 0:
            time.sleep(server.pause)
        message = {"role": "assistant", "content": "Paris"}
        body = {
            "id": "x", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        } if status == 200 else {"error": {"message": f"status {status}"}}  # fmt: skip
        content = json.dumps(body).encode()
        try:
            self.send_response(status or 200)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def one_answer(server: Flaky) -> str:
    target = Endpoint("my-server", server.base_url, "m")
    return trial.run(target, made(1, (UNDEFENDED,)), lambda step: None)[0].answer.text


@pytest.mark.parametrize(
    "failures", [[(500, {}), (503, {})], [(429, {"Retry-After": "1"})]], ids=["5xx", "429"]
)
def test_passing_failures_are_waited_out(failures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(endpoints.key_variable("my-server"), KEY)
    told = len(failures)
    asked_to_wait = failures[0][0] == 429
    with running(Flaky(failures)) as server:
        assert one_answer(server) == "Paris"
        assert len(server.times) == told + 1
        assert set(server.keys) == {f"Bearer {KEY}"}
        if asked_to_wait:
            assert server.times[1] - server.times[0] >= 1


def test_a_slow_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "TIMEOUT", 0.5)
    with running(Flaky([(0, {})], pause=2)) as server:
        assert one_answer(server) == "Paris"
        assert len(server.times) == 2


@pytest.mark.parametrize(("status", "tries"), [(500, 2), (429, 2), (401, 1)])
def test_lasting_failures_end_the_run_in_clear_words(
    status: int, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "RETRIES", 1)
    with running(Flaky([(status, {})] * 9)) as server:
        with pytest.raises(TaskFailed, match=f"status {status}"):
            one_answer(server)
        assert len(server.times) == tries


def test_a_key_that_the_server_repeats_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(endpoints.key_variable("my-server"), KEY)
    target = Endpoint("my-server", FAR["base_url"], "m")
    assert target.without_key(f"bad key {KEY}") == "bad key (key)"
    assert Endpoint("other", FAR["base_url"], "m").without_key("none") == "none"


def test_nobody_there_is_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "RETRIES", 0)
    target = Endpoint("my-server", FAR["base_url"], "m")
    with pytest.raises(TaskFailed, match="onnection"):
        trial.run(target, made(1, (UNDEFENDED,)), lambda step: None)


def test_the_pace_spreads_requests() -> None:
    clock = iter([0.0, 0.0, 0.5, 10.0])
    pace = Pace(60, now=lambda: next(clock))
    assert [pace.next() for _ in range(4)] == [0.0, 1.0, 1.5, 0.0]
    assert Pace(0).next() == 0


def test_requests_keep_the_pace(served: Server) -> None:
    start = time.monotonic()
    target = Endpoint("my-server", served.base_url, "tiny", per_minute=240)
    trial.run(target, made(5, (UNDEFENDED,)), lambda step: None)
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base_url": "ftp://x"}, "http or https"),
        ({"base_url": "http://"}, "http or https"),
        ({"base_url": "http://me:key@x/v1"}, "environment"),
        ({"model": " "}, "knows its model"),
        ({"per_minute": -1}, "whole number"),
        ({"per_minute": True}, "whole number"),
        ({"key": "x"}, "not 'key'"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadParameter, match=said):
        Spec.create("spotlighting", target="my-server", endpoint={**FAR, **change})


def test_a_specification_holds_the_address_and_survives_json() -> None:
    spec = Spec.create("spotlighting", target="my-server", endpoint=FAR)
    assert Spec.from_dict(spec.to_dict()) == spec
    other = Spec.create("spotlighting", target="my-server", endpoint={**FAR, "model": "n"})
    assert spec.digest != other.digest
    assert "endpoint" not in Spec.create("spotlighting").to_dict()


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 81, None])
def test_an_endpoint_needs_a_plain_name(name: Any) -> None:
    with pytest.raises(BadParameter, match="name"):
        Spec.create("spotlighting", target=name, endpoint=FAR)


def test_white_box_mitigations_are_refused_before_they_start(tmp_path: Path, capsys: Any) -> None:
    for known in registry.mitigations():
        if known.needs != "text":
            with pytest.raises(BadParameter, match="does not give"):
                Spec.create(known.slug, target="my-server", endpoint=FAR)
    spec = {"mitigation": "perplexity-filter", "target": "my-server", "endpoint": FAR}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    code = main(["run", "--spec", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out")])
    assert code == 2
    assert "needs the log-probabilities" in capsys.readouterr().err


def test_a_failing_endpoint_is_one_line_and_no_record(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "RETRIES", 0)
    spec = {"mitigation": "spotlighting", "target": "my-server", "endpoint": FAR}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    code = main(["run", "--spec", str(tmp_path / "spec.json"), "--out", str(tmp_path / "out")])
    assert code == 1
    assert "onnection" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_serving_an_unknown_target_lists_the_nearest(capsys: Any) -> None:
    assert main(["serve", "document-asistant"]) == 2
    assert "document-assistant" in capsys.readouterr().err
