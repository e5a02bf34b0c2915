"""What can be asked of a change set, by the word that addresses use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taxonomy.operations import changesets

VERBS: dict[str, Callable[..., Any]] = {
    "submit": lambda found, by, text: changesets.submit(changeset=found, by=by),
    "take-back": lambda found, by, text: changesets.take_back(changeset=found, by=by),
    "approve": lambda found, by, text: changesets.approve(changeset=found, by=by),
    "publish": lambda found, by, text: changesets.publish(changeset=found, by=by),
    "ask-changes": lambda found, by, text: changesets.ask_changes(
        changeset=found, by=by, text=text
    ),
    "reject": lambda found, by, text: changesets.reject(changeset=found, by=by, text=text),
    "comment": lambda found, by, text: changesets.comment(changeset=found, by=by, text=text),
}
