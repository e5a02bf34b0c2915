"""Running a specification."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from . import packaged, registry, stacks, trial
from .result import Progress, Result
from .spec import Spec


def run(spec: Spec, progress: Callable[[Progress], None] | None = None) -> Result:
    """Measure what the specification asks for; the same one gives the same numbers.

    Times excepted, which are the machine's. Raises MissingFile where weights or data are.
    """
    report = progress or (lambda step: None)
    trial.forget()
    if spec.stack:
        result = stacks.measure(spec, report)
    else:
        result = registry.get_mitigation(spec.mitigation).measure(spec, report)
    result.provenance["inspect_logs"] = logs()
    return result


def logs() -> list[dict[str, Any]]:
    """The Inspect logs of this run by name, size and sha256.

    Known only where the run has a log folder of its own; empty in the shared one, where
    nothing tells whose a log is.
    """
    if "SAFESTACK_LOGS" not in os.environ:
        return []
    return [
        {"file": path.name, "bytes": path.stat().st_size, "sha256": packaged.sha256(path)}
        for path in sorted(packaged.log_dir().glob("*.eval"))
    ]
