"""OpenAI-compatible servers as targets: where they are, how they are asked, what they cost.

The address and the model's name are part of the specification. The key is not: it is read
from the environment (``SAFESTACK_KEY_`` and the target's name) when a request is made, and
stands in no specification, record or log. Requests that fail for a passing reason (429, 5xx,
a time-out, a broken connection) are made again by the client, with growing pauses or after
the pause that the server asks for.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .language_model import Chat
from .params import BadParameter

TIMEOUT = 60.0  # seconds for one attempt
RETRIES = 4
CONNECTIONS = 8
NO_KEY = "none"
MAX_PER_MINUTE = 100_000
METADATA = {"metadata", "metadata.google.internal", "instance-data"}
KEYS = {"base_url", "model", "per_minute"}


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """An endpoint as a specification holds it; raises BadParameter.

    ``base_url`` ends where ``/chat/completions`` begins; ``per_minute`` bounds the requests
    in a minute, 0 meaning that nothing does.
    """
    if unknown := set(given) - KEYS:
        raise BadParameter(f"An endpoint has {', '.join(sorted(KEYS))}; not {min(unknown)!r:.80}.")
    address, model = str(given.get("base_url", "")), str(given.get("model", ""))
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or len(address) > 300:
        raise BadParameter(f"base_url is an http or https address; not {address!r:.80}.")
    if _out_of_bounds(parts.hostname):
        raise BadParameter(f"{parts.hostname} is a link-local or reserved address: no endpoint.")
    if parts.username or parts.password:
        raise BadParameter("base_url carries no key: that belongs into the environment.")
    if not model.strip() or len(model) > 160:
        raise BadParameter("model is the name by which the endpoint knows its model.")
    return {"base_url": address.rstrip("/"), "model": model, "per_minute": _pace(given)}


def _out_of_bounds(host: str) -> bool:
    """Whether a host names a machine's own metadata service, however the number is written."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            found = ipaddress.IPv4Address(socket.inet_aton(host))  # 2852039166, 0xa9fea9fe
        except (OSError, ValueError):
            return host.rstrip(".").lower() in METADATA
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return (
        found.is_link_local
        or found.is_multicast
        or found.is_unspecified
        or (found.is_reserved and not found.is_loopback)
    )


def _pace(given: Mapping[str, Any]) -> int:
    value = given.get("per_minute", 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_PER_MINUTE:
        raise BadParameter(f"per_minute is a whole number up to {MAX_PER_MINUTE}.")
    return value


def key_variable(slug: str) -> str:
    """The environment variable that holds a target's key."""
    return "SAFESTACK_KEY_" + re.sub(r"\W", "_", slug).upper()


@dataclass
class Endpoint:
    """A model behind an address. Its answers may change, so none of them is kept."""

    name: str
    base_url: str
    model: str
    per_minute: int = 0
    spent: dict[str, dict[str, int]] = field(default_factory=dict)
    checksum: str = ""
    dtype: str = ""

    @property
    def key(self) -> str:
        """The key from the environment; clients want some word where there is none."""
        return os.environ.get(key_variable(self.name)) or NO_KEY

    def without_key(self, text: str) -> str:
        """A text from the endpoint, which may repeat the key that it refuses, without it."""
        return text if self.key == NO_KEY else text.replace(self.key, "(key)")

    def describe(self) -> dict[str, Any]:
        """What a record says of it: where, which model, and the tokens that each arm took."""
        found = {"name": self.name, "endpoint": self.base_url, "model": self.model}
        return {**found, "tokens": self.spent}

    def spend(self, arm: str, requests: int, sent: int, came: int) -> None:
        """Add to what an arm has cost so far, in requests and tokens."""
        row = self.spent.setdefault(arm, {"requests": 0, "input": 0, "output": 0})
        row["requests"] += requests
        row["input"] += sent
        row["output"] += came

    def chat(self, chats: Sequence[Chat], max_new_tokens: int) -> list[str]:
        """The next message of each conversation, one after another."""
        from openai import OpenAI

        pace = Pace(self.per_minute)
        with OpenAI(
            base_url=self.base_url, api_key=self.key, timeout=TIMEOUT, max_retries=RETRIES
        ) as client:
            return [self._one(client, chat, max_new_tokens, pace) for chat in chats]

    def _one(self, client: Any, chat: Chat, max_new_tokens: int, pace: Pace) -> str:
        time.sleep(pace.next())
        reply = client.chat.completions.create(
            model=self.model,
            messages=[dict(message) for message in chat],
            max_tokens=max_new_tokens,
            temperature=0,
        )
        used = reply.usage
        self.spend("timing", 1, used.prompt_tokens if used else 0,
                   used.completion_tokens if used else 0)  # fmt: skip
        return str(reply.choices[0].message.content or "").strip()


class Pace:
    """Spreads requests evenly over a minute."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._now, self._free_at = now, 0.0

    def next(self) -> float:
        """Seconds to wait before the next request may go out."""
        now = self._now()
        start = max(now, self._free_at)
        self._free_at = start + self._gap
        return start - now
