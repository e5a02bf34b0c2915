"""Running a specification."""

from __future__ import annotations

from collections.abc import Callable

from . import registry, stacks
from .result import Progress, Result
from .spec import Spec


def run(spec: Spec, progress: Callable[[Progress], None] | None = None) -> Result:
    """Measure what the specification asks for; the same one gives the same numbers.

    Times excepted, which are the machine's. Raises MissingFile where weights or data are.
    """
    report = progress or (lambda step: None)
    if spec.stack:
        return stacks.measure(spec, report)
    return registry.get_mitigation(spec.mitigation).measure(spec, report)
