"""What can be run: mitigations and targets, found by name.

A new mitigation is one module in ``mitigations/`` that calls ``@mitigation(...)`` on the
function that measures it; modules are found by themselves, and import nothing heavy.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from .params import Param

if TYPE_CHECKING:
    from .result import Progress, Result
    from .spec import Spec

Access = Literal["text", "logprobs", "weights"]
Measure = Callable[["Spec", Callable[["Progress"], None]], "Result"]


class UnknownName(LookupError):
    """No mitigation, risk or target of that name; the message lists the nearest ones."""

    def __init__(self, what: str, name: str, known: list[str]) -> None:
        near = get_close_matches(str(name)[:80], known, n=3, cutoff=0.4) or known[:5]
        super().__init__(f"No {what} is called {str(name)[:80]!r}. There is: {', '.join(near)}.")


@dataclass(frozen=True)
class Target:
    """A bundled victim."""

    slug: str
    name: str
    summary: str
    gives: tuple[Access, ...] = ("text", "logprobs", "weights")


@dataclass(frozen=True)
class Mitigation:
    """A mitigation that runs: what it answers, where, with which parameters."""

    slug: str
    name: str
    summary: str
    stage: str
    risks: tuple[str, ...]
    targets: tuple[str, ...]
    needs: Access
    static_only: bool
    minutes: float
    params: tuple[Param, ...]
    measure: Measure


_MITIGATIONS: dict[str, Mitigation] = {}
_TARGETS: dict[str, Target] = {}


def mitigation(**declared: Any) -> Callable[[Measure], Measure]:
    """Register the decorated function as what measures a mitigation."""

    def register(measure: Measure) -> Measure:
        found = Mitigation(measure=measure, **declared)
        _MITIGATIONS[found.slug] = found
        return measure

    return register


def add_target(found: Target) -> Target:
    """Register a bundled victim."""
    _TARGETS[found.slug] = found
    return found


@cache
def _discover() -> None:
    """Import every module of ``mitigations/`` and the targets, once."""
    from . import mitigations, organisms, targets  # noqa: F401

    organisms.discover()

    for module in pkgutil.iter_modules(mitigations.__path__):
        importlib.import_module(f"{mitigations.__name__}.{module.name}")


def mitigations() -> list[Mitigation]:
    """Every mitigation, by slug."""
    _discover()
    return [_MITIGATIONS[slug] for slug in sorted(_MITIGATIONS)]


def get_mitigation(slug: str) -> Mitigation:
    """The mitigation called ``slug``; raises UnknownName."""
    _discover()
    if slug not in _MITIGATIONS:
        raise UnknownName("mitigation", slug, sorted(_MITIGATIONS))
    return _MITIGATIONS[slug]


def targets() -> list[Target]:
    """Every bundled target, by slug."""
    _discover()
    return [_TARGETS[slug] for slug in sorted(_TARGETS)]


def get_target(slug: str) -> Target:
    """The target called ``slug``; raises UnknownName."""
    _discover()
    if slug not in _TARGETS:
        raise UnknownName("target", slug, sorted(_TARGETS))
    return _TARGETS[slug]
