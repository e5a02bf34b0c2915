"""Running a specification."""

from __future__ import annotations

from collections.abc import Callable

from . import registry
from .result import Progress, Result
from .spec import Spec


def run(spec: Spec, progress: Callable[[Progress], None] | None = None) -> Result:
    """Measure what the specification asks for; the same one gives the same numbers.

    Times excepted, which are the machine's. Raises MissingFile where weights or data are.
    """
    measure = registry.get_mitigation(spec.mitigation).measure
    return measure(spec, progress or (lambda step: None))
