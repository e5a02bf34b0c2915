"""What is answered, what runs, and what was measured: by risk, and by stage of the lifecycle."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from evals import queries as evals
from evals.models import Verdict
from taxonomy.models import Mitigation, Risk, Stage, Status

FRESH_FOR = timedelta(days=180)
# Counted in the published data of the two frameworks; neither has a mitigation that runs.
ELSEWHERE = [
    {"framework": "mitre-atlas", "name": "MITRE ATLAS 5.6.0", "risks": 170, "with_mitigations": 74},
    {"framework": "ibm-risk-atlas", "name": "IBM AI Atlas Nexus", "risks": 556,
     "with_mitigations": 39},
]  # fmt: skip
COUNTS = ("mitigations", "runnable", "measured", "measurable")


def coverage() -> dict[str, Any]:
    """For every risk the counts of papers, mitigations, runnable and measured ones; for every
    stage and in all the counts of ``by_stage``; and two other frameworks' totals."""
    rows, stages = _risks(), by_stage()
    totals = {**_totals(rows), **{name: stages["totals"][name] for name in COUNTS}}
    return {"risks": rows, "stages": stages["stages"], "totals": totals, "elsewhere": ELSEWHERE}


def by_stage() -> dict[str, Any]:
    """How many active mitigations each stage has, how many run here, how many have a finished
    run, and how many one whose verdict is *measurable*, the newest on some risk.

    A mitigation that is applied in several stages counts in each, and once in ``totals``.
    """
    newest = evals.newest_verdicts()
    verdicts: dict[str, set[str]] = defaultdict(set)
    for (mitigation, _), verdict in newest.items():
        verdicts[mitigation].add(verdict)
    given = Mitigation.objects.filter(status=Status.ACTIVE).order_by()
    rows = list(given.values_list("stages__slug", "slug", "engine_key"))
    stages = [
        {
            "slug": stage.slug,
            "name": stage.name,
            **_counts({slug: key for at, slug, key in rows if at == stage.slug}, verdicts),
        }
        for stage in Stage.objects.all()
    ]
    return {"stages": stages, "totals": _counts({slug: key for _, slug, key in rows}, verdicts)}


def _counts(keys: dict[str, str], verdicts: dict[str, set[str]]) -> dict[str, int]:
    """Of {slug: engine key}, how many there are, run, were measured, and were measurable."""
    found = (
        len(keys),
        sum(bool(key) for key in keys.values()),
        sum(slug in verdicts for slug in keys),
        sum(Verdict.MEASURABLE in verdicts.get(slug, ()) for slug in keys),
    )
    return dict(zip(COUNTS, found, strict=True))


def _risks() -> list[dict[str, Any]]:
    measured = evals.measured_pairs()
    young = timezone.now() - FRESH_FOR
    fresh = {pair for pair, newest in measured.items() if newest >= young}
    offered = Q(answers__mitigation__status=Status.ACTIVE)
    risks = (
        Risk.objects.filter(status=Status.ACTIVE)
        .select_related("category__stage")
        .annotate(
            paper_count=Count("placements__paper", distinct=True),
            mitigation_count=Count("answers", filter=offered, distinct=True),
            runnable_count=Count(
                "answers", filter=offered & ~Q(answers__mitigation__engine_key=""), distinct=True
            ),
        )
        .order_by("category__stage__position", "name")
    )
    return [
        {
            "slug": risk.slug,
            "name": risk.name,
            "stage": risk.category.stage.slug,
            "papers": risk.paper_count,
            "mitigations": risk.mitigation_count,
            "runnable": risk.runnable_count,
            "measured": sum(pair[1] == risk.slug for pair in measured),
            "fresh": sum(pair[1] == risk.slug for pair in fresh),
        }
        for risk in risks
    ]


def _totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "risks": len(rows),
        **{
            f"with_{name}": sum(bool(row[name]) for row in rows)
            for name in ("papers", "mitigations", "runnable", "measured", "fresh")
        },
    }
