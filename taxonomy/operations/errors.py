"""What an edit can be refused for; every message can be shown to whoever asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class CurationError(Exception):
    """The edit was not made; nothing was written."""


class NotAllowed(CurationError):
    """The actor lacks the right."""


class Missing(CurationError):
    """There is no such row."""


class WrongState(CurationError):
    """A change set is not in a state where that can be done."""


class Invalid(CurationError):
    """Values that cannot be stored: ``errors`` has messages by field."""

    def __init__(self, errors: dict[str, Any], /) -> None:
        self.errors = {name: [e] if isinstance(e, str) else list(e) for name, e in errors.items()}
        super().__init__(" ".join(text for texts in self.errors.values() for text in texts))


@dataclass(frozen=True)
class Clash:
    """One field in three versions: as it was read, as it is now, as somebody wants it."""

    field: str
    base: Any
    theirs: Any
    yours: Any

    @property
    def both(self) -> bool:
        """Whether both sides changed it, and differently."""
        return self.theirs not in (self.base, self.yours) and self.yours != self.base


@dataclass
class Conflict(CurationError):
    """Somebody else changed the row meanwhile; carries both texts, so none is lost."""

    kind: str
    key: str
    label: str
    expected: int
    version: int
    fields: list[Clash] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.label} was changed meanwhile: you read version {self.expected}, "
            f"and it is at version {self.version} now."
        )


@dataclass
class Stuck:
    """One value that cannot simply be put back, since somebody changed it later."""

    what: str
    label: str
    field: str
    before: Any
    after: Any
    now: Any


class RevertConflict(CurationError):
    """Later edits stand in the way; ``stuck`` says where, by the name of each choice."""

    def __init__(self, stuck: list[Stuck]) -> None:
        self.stuck = stuck
        super().__init__(f"{len(stuck)} values were changed again later. Choose for each.")
