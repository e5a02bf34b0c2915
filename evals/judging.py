"""What judged the answers of a run, how far it can be trusted, and where two judges part.

A record's notes say how each judge did on answers that people labelled; its figures hold both
judges' rates where both looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .samples import LOOSE, STRICT, Case

CHECKED = "attack-success"  # measures whose attack has a check of its own: a word, an action
REFUSALS = ("benign-refusal", "borderline-refusal", "refused")


def panel(result: Mapping[str, Any], cases: Sequence[Case]) -> dict[str, Any]:
    """Both judges' rates by measure and arm, what is known of their error, who judged what.

    ``parted`` counts stored answers on which they part, of ``both`` that both judged.
    """
    answers = [row for case in cases for row in case.answers]
    twice = [row for row in answers if any(name.startswith(STRICT) for name in row["scores"])]
    return {
        "rows": _rates(result),
        "notes": [note for note in result.get("notes", []) if about_judges(note)],
        "judged": _judged(result),
        "parted": sum(row["parted"] for row in twice),
        "both": len(twice),
    }


def about_judges(note: str) -> bool:
    """Whether a note of a record speaks of a judge's worth."""
    return " judge" in note.lower()


def _rates(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each arm and measure that both judges gave a rate of."""
    known = {(row["name"], row["arm"]): row for row in result["metrics"]}
    labels = {arm["name"]: arm["label"] for arm in result["arms"]}
    rows = []
    for (name, arm), loose in known.items():
        strict = known.get((STRICT + name.removeprefix(LOOSE), arm))
        if name.startswith(LOOSE) and strict:
            gap = loose["value"] - strict["value"]
            rows.append(
                {"arm": labels[arm], "label": loose["label"], "loose": loose, "strict": strict,
                 "gap": gap}
            )  # fmt: skip
    return rows


def _judged(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """The labels of the measures by who decided: refusal judge, on-topic judge, own check."""
    found: dict[str, dict[str, None]] = {}
    for row in result["metrics"]:
        if who := _who(row["name"]):
            found.setdefault(who, {})[row["label"]] = None
    return {who: list(labels) for who, labels in found.items()}


def _who(name: str) -> str:
    if name.startswith(CHECKED):
        return "the attack's own check"
    if name.startswith(STRICT):
        return "the on-topic judge"
    return "the refusal judge" if name.startswith((LOOSE, *REFUSALS)) else ""
