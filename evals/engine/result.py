"""The record of a run: plain values all the way down."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class Progress:
    """How far a run is: ``done`` of ``total`` prompts, and what it is doing."""

    done: int
    total: int
    step: str


@dataclass(frozen=True)
class Arm:
    """One side of the comparison: undefended, or under a mitigation."""

    name: str
    label: str


@dataclass(frozen=True)
class Metric:
    """A figure of one arm with its 95 % interval; ``unit`` is share, ms or a word."""

    name: str
    label: str
    arm: str
    value: float
    low: float
    high: float
    n: int
    method: str
    unit: str = "share"
    better: Better = ""


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same prompts: arm minus baseline."""

    metric: str
    arm: str
    baseline: str
    difference: float
    low: float
    high: float
    p_value: float
    test: str
    n_pairs: int
    primary: bool = False


@dataclass(frozen=True)
class Validity:
    """Whether the figures mean anything, and why."""

    verdict: str
    reason: str


@dataclass(frozen=True)
class Result:
    """Everything that a run found, and everything needed to find it again."""

    spec: dict[str, Any]
    arms: list[Arm]
    metrics: list[Metric]
    comparisons: list[Comparison]
    validity: Validity
    provenance: dict[str, Any]
    curves: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return asdict(self)
