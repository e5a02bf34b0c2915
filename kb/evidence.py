"""What stands behind a mitigation's claim against a risk: claim, newest run, grade.

The grade follows the runs by rule (``evals.grading``), unless a curator set it and said why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evals import figures, grading
from evals.imports import storing
from evals.models import Run
from taxonomy.models import EvidenceGrade, RiskMitigation

# Best first: what was borne out, what was tried, what was only said.
ORDER = ("reproduced", "partly", "refuted", "not-measurable", "claimed", "not-run")


@dataclass(frozen=True)
class Evidence:
    """A grade with its reason, the run it rests on, and what draws that run."""

    grade: str
    label: str
    reason: str
    by_rule: bool
    run: Run | None
    effect: dict[str, Any] | None
    price: list[dict[str, Any]]
    chart: dict[str, Any] | None


def of(answer: RiskMitigation, run: Run | None) -> Evidence:
    """The evidence for one answer; ``run`` is its newest finished one."""
    summary = run.summary if run else {}
    by_rule = not answer.grade_reason
    grade, reason = answer.grade, answer.grade_reason
    if by_rule:
        grade, reason = grading.grade(run.verdict if run else "", summary, bool(answer.claim))
    effect = summary.get("effect")
    drawn = effect is not None and effect["unit"] == "share"
    return Evidence(
        grade=grade,
        label=EvidenceGrade(grade).label,
        reason=reason,
        by_rule=by_rule,
        run=run,
        effect=effect,
        price=[row for row in summary.get("price", []) if row["before"]["value"] is not None],
        chart=figures.pair(effect, claimed_share(answer)) if drawn and effect else None,
    )


def claimed_share(answer: RiskMitigation) -> float | None:
    """The claimed figure on the chart's own scale: an attack's success in per cent that is left.

    None for other quantities, and where the claim says by how much success fell rather than
    to what.
    """
    if answer.claim_value is None or not answer.claim_unit.startswith("%"):
        return None
    value = re.escape(f"{answer.claim_value:g}")
    left = rf"(?<!up )\b(to|was|were|below|than|around) {value} ?%(?! lower)"
    claim = answer.claim.lower()
    attack = "success" in claim and "defence success" not in claim
    return answer.claim_value / 100 if attack and re.search(left, claim) else None


def imported(**wanted: str) -> list[dict[str, Any]]:
    """Published findings of other tools on a risk or a mitigation, each with what draws it."""
    return [{"finding": row, "bar": figures.bar(row)} for row in storing.of(**wanted)]


def attach(
    answers: Iterable[RiskMitigation], latest: dict[tuple[str, str], Run], risk: str = ""
) -> list[RiskMitigation]:
    """Give each answer its ``latest_run`` and ``evidence``.

    What was run comes first, by grade; then what could be run here; then what is only claimed.
    """
    found = list(answers)
    for answer in found:
        run = latest.get((answer.mitigation.slug, risk or answer.risk.slug))
        answer.latest_run = run  # type: ignore[attr-defined]
        answer.evidence = of(answer, run)  # type: ignore[attr-defined]
    return sorted(
        found,
        key=lambda a: (
            a.latest_run is None,  # type: ignore[attr-defined]
            a.latest_run is None and not a.mitigation.runnable,  # type: ignore[attr-defined]
            ORDER.index(a.evidence.grade),  # type: ignore[attr-defined]
            a.mitigation.name,
        ),
    )
