"""Declared parameters: forms, the API and the command line are made from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["int", "float", "choice", "bool"]
WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


class BadParameter(ValueError):
    """A value outside of what the parameter allows; the message says the range."""


@dataclass(frozen=True)
class Param:
    """One parameter of a mitigation: its type, range, default and help."""

    name: str
    type: Kind
    default: Any
    help: str
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()

    def parse(self, raw: Any) -> Any:
        """The value that ``raw`` (text or already typed) stands for; raises BadParameter."""
        if self.type == "choice":
            return self._chosen(raw)
        if self.type == "bool":
            return self._switch(raw)
        return self._number(raw)

    def describe(self) -> dict[str, Any]:
        """The declaration as plain values."""
        found = {"name": self.name, "type": self.type, "default": self.default, "help": self.help}
        if self.type == "choice":
            return {**found, "choices": list(self.choices)}
        return found if self.type == "bool" else {**found, "low": self.low, "high": self.high}

    def _chosen(self, raw: Any) -> str:
        if raw not in self.choices:
            raise BadParameter(f"{self.name} is one of {', '.join(self.choices)}; not {raw!r:.80}.")
        return str(raw)

    def _switch(self, raw: Any) -> bool:
        value = WORDS.get(raw.lower()) if isinstance(raw, str) else raw
        if not isinstance(value, bool):
            raise BadParameter(f"{self.name} is true or false; not {raw!r:.80}.")
        return value

    def _number(self, raw: Any) -> int | float:
        said = f"{self.name} is a number from {self.low:g} to {self.high:g}; not {raw!r:.80}."
        try:
            if isinstance(raw, bool):
                raise ValueError
            value = float(raw)
        except (TypeError, ValueError, OverflowError):
            raise BadParameter(said) from None
        whole = self.type == "int"
        if not self.low <= value <= self.high or (whole and value != int(value)):
            raise BadParameter(said)
        return int(value) if whole else value
