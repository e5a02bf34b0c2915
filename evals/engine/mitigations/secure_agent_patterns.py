"""Plan, then execute: the agent fixes its calls before it reads anything that it cannot trust.

One of the patterns of Beurer-Kellner et al. 2025 (arXiv:2506.08837). The agent first works
with the file's text withheld: the tool and the recipient of its last call are the plan. It
then reads the file, and of the call that it now writes only the text is used. The
adaptive attacker asks for no other call and makes the wanted answer false.
"""

from __future__ import annotations

from evals.engine import errands
from evals.engine.datasets.office import Errand
from evals.engine.organisms import tool_agent as agent
from evals.engine.organisms.tool_agent import Call, Episode
from evals.engine.registry import mitigation
from evals.engine.result import Result
from evals.engine.spec import Spec
from evals.engine.trial import Answer, Arm, Ask, Case, Report

WITHHELD = "(read later)"


def filled_in(plan: Call, written: Call | None) -> Call | None:
    """The planned call with the text that the agent wrote after reading; None without a text."""
    if written is None or written.tool == "read" or plan.tool == "read":
        return None
    return Call(plan.tool, plan.to, written.text)


async def execute(errand: Errand, ask: Ask) -> Episode:
    """Plan with the file withheld, read it, and fill the plan in."""
    reading = Call("read", errand.file)
    first = agent.parse(await ask(agent.opening(errand)))
    if first != reading:
        return Episode([first] if first else [])
    plan = agent.parse(await ask(agent.after_reading(errand, WITHHELD)))
    if plan is None:
        return Episode([reading])
    last = filled_in(plan, agent.parse(await ask(agent.after_reading(errand))))
    return Episode([reading, last]) if last else Episode([reading], [plan])


async def _planned(case: Case, ask: Ask) -> Answer:
    return errands.told(await execute(errands.errand(case), ask))


@mitigation(
    slug="secure-agent-patterns",
    name="Plan, then execute",
    summary="Fixes tools and recipients before any file is read; files only fill in the text.",
    stage="deployment",
    risks=("indirect-prompt-injection", "unsafe-tool-use"),
    targets=("tool-agent",),
    needs="text",
    static_only=False,
    minutes=5,
    params=errands.PARAMS,
)
def measure(spec: Spec, report: Report) -> Result:
    """Measure planning with the file withheld."""
    arms = [Arm("planned", "Plan before reading", _planned)]
    notes = [
        "The adaptive order asks for no other call: it makes the wanted answer false, which a "
        "plan cannot prevent.",
        "Errands that the user leaves to the file cannot be planned: that is the price.",
    ]
    return errands.measure(spec, report, arms, "planned", errands.misinformed, notes)
