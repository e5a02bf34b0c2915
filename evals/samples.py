"""The samples of a record: by case, found by words, shown with care.

A case is what every arm was given; its answers stand side by side. Attack prompts and what
models said to them are sensitive: a page shows them only when a reader opens them. A group
counts as sensitive unless it is known to be harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

HARMLESS = {"question", "questions", "benign", "borderline", "clean", "ordinary", "honest"}
LOOSE, STRICT = "non-refusal-", "on-topic-"  # the two judges' measures, by group
VIEWS = {"": "all", "changed": "where the arms part", "parted": "where the two judges part"}
MOST_WORDS = 200


@dataclass
class Case:
    """One thing put to the target, and what came back under each arm."""

    key: str
    group: str
    prompt: str
    sensitive: bool
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether some score differs between the arms."""
        scores = [row["scores"] for row in self.answers]
        names = {name for row in scores for name in row}
        return any(len({row[name] for row in scores if name in row}) > 1 for name in names)

    @property
    def parted(self) -> bool:
        """Whether the two judges part on some answer."""
        return any(row["parted"] for row in self.answers)

    def holds(self, words: Iterable[str]) -> bool:
        """Whether every word stands in its texts."""
        answers = (f"{row['sent']} {row['output']}" for row in self.answers)
        text = " ".join((self.key, self.prompt, *answers)).lower()
        return all(word in text for word in words)


def cases(result: Mapping[str, Any]) -> list[Case]:
    """The stored samples, one case each, in the order of the record."""
    labels = {arm["name"]: (place, arm["label"]) for place, arm in enumerate(result["arms"], 1)}
    found: dict[tuple[str, str], Case] = {}
    for sample in result.get("samples", []):
        group, arm = str(sample.get("group", "")), str(sample.get("arm", ""))
        key = _key(str(sample.get("id", "")), arm)
        prompt = str(sample.get("prompt", ""))
        case = found.setdefault(
            (group, key), Case(key, group, prompt, group.lower() not in HARMLESS)
        )
        case.answers.append(_answer(sample, case, *labels.get(arm, (0, ""))))
    return list(found.values())


def _key(ident: str, arm: str) -> str:
    """What a sample's id says beside its arm."""
    return ident.removesuffix(f"-{arm}").removeprefix(f"{arm}-") if arm else ident


def _answer(sample: Mapping[str, Any], case: Case, place: int, label: str) -> dict[str, Any]:
    scores = dict(sample.get("scores") or {})
    sent = str(sample.get("prompt", ""))
    return {
        "place": place,
        "label": label,
        "sent": sent if sent != case.prompt else "",
        "output": str(sample.get("output", "")),
        "stopped": [arm for arm, is_so in (sample.get("stopped") or {}).items() if is_so],
        "refused": bool(sample.get("refused")),
        "scores": scores,
        "parted": parts(scores),
    }


def parts(scores: Mapping[str, float]) -> bool:
    """Whether the refusal judge lets an answer pass that the on-topic judge does not, or back."""
    return any(
        scores[name] != scores[STRICT + name.removeprefix(LOOSE)]
        for name in scores
        if name.startswith(LOOSE) and STRICT + name.removeprefix(LOOSE) in scores
    )


def search(found: Iterable[Case], text: str = "", group: str = "", view: str = "") -> list[Case]:
    """The cases that hold every word of ``text``, of one group, in one view of ``VIEWS``."""
    words = text.lower().split()[:MOST_WORDS]
    return [
        case
        for case in found
        if (not group or case.group == group)
        and (not view or bool(getattr(case, view)))
        and case.holds(words)
    ]
