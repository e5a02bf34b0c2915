"""Every write to the taxonomy: keyword-only, atomic, naming its actor, and undoable.

``perform`` makes one edit at once; a change set gathers several for review. Both speak of
the same actions, whose handlers live by subject: nodes, structure, bulk, revert.
"""

from . import bulk, nodes, revert, structure  # noqa: F401  (they register their handlers)
from .actions import Action, Result, perform
from .changesets import Preview, Previewed
from .errors import (
    Clash,
    Conflict,
    CurationError,
    Invalid,
    Missing,
    NotAllowed,
    RevertConflict,
    Stuck,
    WrongState,
)
from .releases import freeze, publish_release, snapshot
from .writer import Change

__all__ = [
    "Action",
    "Change",
    "Clash",
    "Conflict",
    "CurationError",
    "Invalid",
    "Missing",
    "NotAllowed",
    "Preview",
    "Previewed",
    "Result",
    "RevertConflict",
    "Stuck",
    "WrongState",
    "freeze",
    "perform",
    "publish_release",
    "snapshot",
]
