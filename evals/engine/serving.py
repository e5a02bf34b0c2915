"""A bundled model behind ``/v1/chat/completions``, so that any client of the field can ask it.

    python -m evals.engine serve document-assistant --port 8010

It listens on this machine alone, decodes greedily, and answers requests that wait at the same
moment as one batch.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .language_model import Chat, LanguageModel

HOST = "127.0.0.1"
MAX_BODY = 1_000_000  # bytes
MAX_DRAINED = 8_000_000  # bytes of a body that is refused, read and thrown away
MAX_ANSWER = 512  # tokens
QUIET = 0.05  # seconds without a new request after which those that wait are answered
PATHS = "There is /v1/models and /v1/chat/completions."
ROLES = {"system", "user", "assistant"}


class Refused(ValueError):
    """A request that cannot be answered; the message says why, ``status`` how."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class _Waiting:
    chat: Chat
    length: int
    done: threading.Event = field(default_factory=threading.Event)
    answer: str | Exception = ""


class Answerer:
    """One thread that has the model and answers what waits, batch by batch."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._queue: queue.Queue[_Waiting] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def ask(self, chat: Chat, length: int) -> str:
        """The model's next message; raises what the model raised."""
        mine = _Waiting(chat, length)
        self._queue.put(mine)
        mine.done.wait()
        if isinstance(mine.answer, Exception):
            raise mine.answer
        return mine.answer

    def _work(self) -> None:
        while True:
            batch = [self._queue.get()]
            while True:
                try:
                    batch.append(self._queue.get(timeout=QUIET))
                except queue.Empty:
                    break
            for length in sorted({row.length for row in batch}):
                self._answer([row for row in batch if row.length == length], length)

    def _answer(self, rows: list[_Waiting], length: int) -> None:
        answers: list[Any]
        try:
            answers = list(self.model.chat([row.chat for row in rows], length))
        except Exception as error:
            answers = [error] * len(rows)
        for row, answer in zip(rows, answers, strict=True):
            row.answer = answer
            row.done.set()


class Server(ThreadingHTTPServer):
    """Serves ``model`` under ``name``; port 0 takes a free one. Call ``serve_forever``."""

    daemon_threads = True

    def __init__(self, model: LanguageModel, name: str, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.name, self.answerer = name, Answerer(model)

    @property
    def base_url(self) -> str:
        """The address as clients want it."""
        return f"http://{HOST}:{self.server_port}/v1"


def _complete(answerer: Answerer, name: str, body: dict[str, Any]) -> dict[str, Any]:
    if body.get("model") != name:
        raise Refused(f"This server has the model {name!r} alone.", 404)
    if body.get("stream") or body.get("tools") or body.get("temperature", 0):
        raise Refused("Streams, tools and temperatures above 0 are not served here.")
    chat = _chat(body.get("messages"))
    length = body.get("max_tokens") or body.get("max_completion_tokens") or 256
    if isinstance(length, bool) or not isinstance(length, int) or not 0 < length <= MAX_ANSWER:
        raise Refused(f"max_tokens is a whole number up to {MAX_ANSWER}.")
    return _completion(answerer, name, chat, answerer.ask(chat, length), length)


def _chat(given: Any) -> Chat:
    """The messages of a request; raises Refused."""
    if not isinstance(given, list) or not given:
        raise Refused("messages is a list of messages.")
    for message in given:
        whole = isinstance(message, dict) and message.get("role") in ROLES
        if not whole or not isinstance(message.get("content"), str):
            raise Refused(f"A message has a role of {sorted(ROLES)} and a content of text.")
    return [{"role": row["role"], "content": row["content"]} for row in given]


def _completion(
    answerer: Answerer, name: str, chat: Chat, text: str, length: int
) -> dict[str, Any]:
    count = answerer.model.count
    sent, came = sum(count(message["content"]) for message in chat), count(text)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "length" if came >= length else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": came,
            "total_tokens": sent + came,
        },
    }


class _Handler(BaseHTTPRequestHandler):
    """The protocol: JSON in, JSON out, errors in the shape that clients know."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """The list of models."""
        if self.path.rstrip("/") != "/v1/models":
            return self._send(404, _error(PATHS))
        row = {"id": self.server.name, "object": "model", "created": 0, "owned_by": "safestack"}
        self._send(200, {"object": "list", "data": [row]})

    def do_POST(self) -> None:
        """The answer to a conversation."""
        try:
            body = self._body()
            if self.path.rstrip("/") != "/v1/chat/completions":
                raise Refused(PATHS, 404)
            self._send(200, _complete(self.server.answerer, self.server.name, body))
        except Refused as error:
            self._send(error.status, _error(str(error)))
        except Exception as error:
            self._send(500, _error(f"The model failed: {error}"))

    def _body(self) -> dict[str, Any]:
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > MAX_BODY:
            self.close_connection = True  # what was not read is not to be taken for a request
            # A client that is still sending would find the line broken before it reads why.
            self.rfile.read(min(int(size), MAX_DRAINED) if size.isdecimal() else 0)
            raise Refused(f"A request has a length of up to {MAX_BODY} bytes.", 413)
        try:
            found = json.loads(self.rfile.read(int(size)))
        except ValueError:
            raise Refused("The request is not JSON.") from None
        if not isinstance(found, dict):
            raise Refused("The request is not a JSON object.")
        return found

    def _send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: prompts are nobody's business."""


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}
