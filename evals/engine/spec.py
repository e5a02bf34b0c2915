"""A frozen specification: with its seed it decides every number of a run but the times."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from . import endpoints, registry
from .params import BadParameter

MAX_SEED = 2**31 - 1
SLUG = re.compile(r"[-\w]{1,80}", re.ASCII)
NAMES = {"mitigation", "risk", "target", "seed", "params", "endpoint"}


@dataclass(frozen=True)
class Spec:
    """What to measure. Make one by ``create``, which checks everything."""

    mitigation: str
    risk: str
    target: str
    seed: int
    params: Mapping[str, Any]
    endpoint: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def create(
        cls,
        mitigation: str,
        risk: str | None = None,
        target: str | None = None,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
        endpoint: Mapping[str, Any] | None = None,
    ) -> Spec:
        """A checked specification with every default filled in.

        ``endpoint`` says where the target is when it is no bundled one. Raises UnknownName
        or BadParameter.
        """
        known = registry.get_mitigation(mitigation)
        risk = _one_of("risk", risk or known.risks[0], known.risks)
        if endpoint:
            target, endpoint = _far(known, target), endpoints.checked(endpoint)
        else:
            target = _one_of("target", target or known.targets[0], known.targets)
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
            raise BadParameter(f"seed is a whole number from 0 to {MAX_SEED}; not {seed!r:.80}.")
        filled = _filled(known, dict(params or {}))
        far = MappingProxyType(dict(endpoint or {}))
        return cls(known.slug, risk, target, seed, MappingProxyType(filled), far)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Spec:
        """A checked specification from plain values; raises UnknownName or BadParameter."""
        unknown = set(given) - NAMES
        if unknown or "mitigation" not in given:
            raise BadParameter(
                "A specification has mitigation, risk, target, seed, params, endpoint"
                + (f"; not {min(map(str, unknown))!r:.80}." if unknown else ".")
            )
        return cls.create(**given)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, from which ``from_dict`` makes an equal specification."""
        return {
            "mitigation": self.mitigation,
            "risk": self.risk,
            "target": self.target,
            "seed": self.seed,
            "params": dict(self.params),
            **({"endpoint": dict(self.endpoint)} if self.endpoint else {}),
        }

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _far(known: registry.Mitigation, target: str | None) -> str:
    """The name of an endpoint; raises BadParameter where it cannot give what is needed."""
    if known.needs != "text":
        what = {"logprobs": "the log-probabilities", "weights": "the weights"}[known.needs]
        raise BadParameter(
            f"{known.name} needs {what} of its target, which an endpoint does not give. "
            f"Run it on {' or '.join(known.targets)}."
        )
    if not target or not SLUG.fullmatch(target):
        raise BadParameter("An endpoint's name has letters, digits, - and _, up to 80 of them.")
    return target


def _one_of(what: str, name: str, known: tuple[str, ...]) -> str:
    if name not in known:
        raise registry.UnknownName(what, name, list(known))
    return name


def _filled(known: registry.Mitigation, given: dict[str, Any]) -> dict[str, Any]:
    names = {param.name for param in known.params}
    if unknown := set(given) - names:
        listed = ", ".join(sorted(names)) or "none"
        raise BadParameter(f"No parameter {min(map(str, unknown))!r:.80}. There is: {listed}.")
    return {param.name: param.parse(given.get(param.name, param.default)) for param in known.params}
