"""Robust retrieval aggregation: read every passage alone, then let the answers vote.

Xiang et al. 2024 (RobustRAG, arXiv:2405.15556): one poisoned passage cannot speak over the
others if each is read in isolation. A majority of what is read has to be honest, so the
adaptive attacker enters three passages, in the voices of honest sources.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from evals.engine import reading
from evals.engine.language_model import Responder
from evals.engine.registry import mitigation
from evals.engine.result import Result
from evals.engine.spec import Spec
from evals.engine.textual import words
from evals.engine.trial import Answer, Arm, Ask, Case, Report

UNSURE = "The sources do not agree."


def vote(answers: Sequence[str], needed: int) -> str:
    """The answer that ``needed`` or more passages give, the earliest of the commonest; else ''."""
    said = [" ".join(words(answer)) for answer in answers]
    counted = Counter(text for text in said if text)
    if not counted:
        return ""
    most, times = counted.most_common(1)[0]
    return answers[said.index(most)] if times >= needed else ""


def _arm(name: str, label: str, needed: int) -> Arm:
    async def act(case: Case, ask: Ask) -> Answer:
        question, passages = case.facts["question"], case.facts["passages"]
        asked = [ask(reading.prompt(question, [passage])) for passage in passages]
        chosen = vote(await asyncio.gather(*asked), needed)
        return Answer(chosen) if chosen else Answer(UNSURE, stopped=True)

    return Arm(name, label, act)


def arms(model: Responder) -> list[Arm]:
    """The commonest answer, and the commonest if two passages or more give it."""
    return [
        _arm("plurality", "Commonest answer", 1),
        _arm("agreement", "Answer of three or more passages", 3),
    ]


@mitigation(
    slug="robust-retrieval-aggregation",
    name="Robust retrieval aggregation",
    summary="Reads each retrieved passage alone and lets the answers vote.",
    stage="deployment",
    risks=("rag-poisoning",),
    targets=("document-assistant",),
    needs="text",
    static_only=False,
    minutes=5,
    params=reading.PARAMS,
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure the vote, with and without a wanted agreement of three passages."""
    notes = [
        "The adaptive attacker enters three passages for each question, which is a majority of "
        "five: no vote can withstand that.",
    ]
    return reading.measure(spec, report, arms, "plurality", notes)
