"""Stacks: two mitigations apart and together, and whether their effects add up.

The first mitigation's trial runs with two more arms: the second mitigation alone, and the
first with the second behind it, so that what the first would put to the target goes through
the second. The second may therefore look at nothing but the message. The interaction is the
difference of differences, (both - first) - (second - neither), over the same cases; 0 means
that the effects add up.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from . import registry
from . import statistics as stats
from .language_model import Chat
from .params import BadParameter
from .registry import Mitigation
from .result import Comparison, Progress, Result
from .spec import Spec
from .trial import UNDEFENDED, Answer, Arm, Ask, Case, Outcome, Trial, watched

SECOND, BOTH = "second", "both"
TEST = "difference of differences; sign flips and bootstrap by cluster"
Report = Callable[[Progress], None]


class _Found(Exception):
    """The arm that was looked for, met before its trial ran."""

    def __init__(self, arm: Arm) -> None:
        super().__init__(arm.name)
        self.arm = arm


@dataclass
class _Search:
    """Lets trials pass without running until the wanted arm appears."""

    wanted: str

    def arms(self, trial: Trial) -> Sequence[Arm]:
        for arm in trial.arms:
            if arm.name == self.wanted:
                raise _Found(arm)
        return ()

    def saw(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing has run."""


@dataclass
class _Stacker:
    """Gives the first mitigation's trials the two further arms, and keeps what came of it."""

    first: Mitigation
    second: Mitigation
    inner: Arm
    outcomes: list[Outcome] = field(default_factory=list)

    def arms(self, trial: Trial) -> Sequence[Arm]:
        """The trial's own arms, the second alone beside the baseline, both beside the first."""
        found = list(trial.arms)
        for arm in trial.arms:
            if arm.name == UNDEFENDED.name:
                found.append(Arm(SECOND, f"{self.second.name} alone", behind(arm, self.inner)))
            elif arm.name == self.first.stacks:
                label = f"{arm.label}, then {self.second.name}"
                found.append(Arm(BOTH, label, behind(arm, self.inner)))
        return found

    def saw(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes += outcomes


def behind(outer: Arm, inner: Arm) -> Callable[[Case, Ask], Awaitable[Answer]]:
    """An arm's function whose questions go through ``inner`` on their way to the target."""

    async def act(case: Case, ask: Ask) -> Answer:
        passed: list[Answer] = []

        async def through(chat: Chat, max_new_tokens: int | None = None) -> str:
            async def onward(chat: Chat, max_new_tokens: int | None = max_new_tokens) -> str:
                return await ask(chat, max_new_tokens)

            passed.append(await inner.act(Case(case.id, case.group, chat), onward))
            return passed[-1].text

        answer = await outer.act(case, through)
        sent = next((row.sent for row in reversed(passed) if row.sent), answer.sent)
        stopped = answer.stopped or any(row.stopped for row in passed)
        return Answer(answer.text, stopped, sent)

    return act


def measure(spec: Spec, report: Report) -> Result:
    """The record of a stack: the first mitigation's, with two more arms and interactions.

    Raises BadParameter where the second looks at more than the message.
    """
    first, second = registry.get_mitigation(spec.mitigation), registry.get_mitigation(spec.stack)
    report(Progress(0, 0, f"preparing {second.name.lower()}"))
    inner = _arm(second, spec, report)
    _must_compose(first, second, inner)
    stacker = _Stacker(first, second, inner)
    with watched(stacker):
        result = first.measure(spec, report)
    found = interactions(stacker.outcomes, first.stacks, spec.seed)
    if not found:
        raise BadParameter(f"{first.name} has no case under both {first.stacks} and no mitigation.")
    return replace(
        result,
        comparisons=[*result.comparisons, *found],
        notes=[*_notes(first, second, result, found), *result.notes],
    )


def _arm(second: Mitigation, spec: Spec, report: Report) -> Arm:
    """The arm of the second mitigation, made as in a run of its own with default parameters."""
    risk = spec.risk if spec.risk in second.risks else None
    alone = Spec.create(second.slug, risk, spec.target, spec.seed, endpoint=spec.endpoint or None)
    try:
        with watched(_Search(second.stacks)):
            second.measure(alone, report)
    except _Found as found:
        return found.arm
    raise BadParameter(f"{second.name} put no arm {second.stacks!r} to its target.")


def _must_compose(first: Mitigation, second: Mitigation, inner: Arm) -> None:
    """Try the inner arm on a bare message; raises BadParameter where it wants more than that."""

    async def ask(chat: Chat, max_new_tokens: int | None = None) -> str:
        return "Yes."

    async def go() -> None:
        await inner.act(Case("try", "try", [{"role": "user", "content": "Hello."}]), ask)

    try:
        asyncio.run(go())
    except LookupError:
        raise BadParameter(
            f"{second.name} looks at more than the message, so it can stand in front alone: "
            f"run {second.slug} with {first.slug} as its stack."
        ) from None


def interactions(outcomes: Sequence[Outcome], first: str, seed: int) -> list[Comparison]:
    """The interaction on every measure, over the cases that all four arms have."""
    rows: dict[str, dict[tuple[str, str], dict[str, float]]] = {}
    clusters: dict[str, str] = {}
    for outcome in outcomes:
        case = outcome.case
        clusters[case.id] = case.cluster or case.id
        for measure, value in outcome.scores.items():
            unit = rows.setdefault(measure, defaultdict(dict))[case.id, clusters[case.id]]
            unit[outcome.arm] = value
    return [
        found for measure, units in rows.items() if (found := _one(measure, units, first, seed))
    ]


def _one(
    measure: str, units: dict[tuple[str, str], dict[str, float]], first: str, seed: int
) -> Comparison | None:
    wanted = {UNDEFENDED.name, first, SECOND, BOTH}
    whole = {unit: row for unit, row in units.items() if wanted <= set(row)}
    if not whole:
        return None
    gaps = [row[BOTH] - row[first] - row[SECOND] + row[UNDEFENDED.name] for row in whole.values()]
    clusters = [cluster for _, cluster in whole]
    gap = stats.bootstrap(gaps, seed, clusters)
    p_value = stats.sign_flip(gaps, seed, clusters)
    return Comparison(measure, "interaction", "additive", *gap, p_value, TEST, len(gaps))


def _notes(
    first: Mitigation, second: Mitigation, result: Result, found: Sequence[Comparison]
) -> list[str]:
    labels = {metric.name: metric.label for metric in result.metrics}
    said = "; ".join(
        f"{labels.get(row.metric, row.metric)} {100 * row.difference:+.0f} points "
        f"[{100 * row.low:+.0f}, {100 * row.high:+.0f}]"
        for row in found
    )
    return [
        f"A stack: {first.name} ({first.stacks}) in front, {second.name} ({second.stacks}) with "
        "default parameters behind it. Adaptive attacks here know the first alone.",
        "Interaction, (both - first) - (second - neither), with 0 where effects add up: "
        f"{said}. Two that each stop nearly everything cannot add up.",
    ]
