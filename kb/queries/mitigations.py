"""Mitigations: the catalogue, one of them, and the coverage of risks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Max, Q, QuerySet, When
from django.utils import timezone

from evals import figures, summary
from evals import queries as evals
from evals.engine import registry
from evals.models import Run, Verdict
from kb import evidence
from taxonomy.models import Mitigation, Risk, Status

from .papers import papers

FRESH_FOR = timedelta(days=180)
# Counted in the published data of the two frameworks; neither has a mitigation that runs.
ELSEWHERE = [
    {"framework": "mitre-atlas", "name": "MITRE ATLAS 5.6.0", "risks": 170, "with_mitigations": 74},
    {"framework": "ibm-risk-atlas", "name": "IBM AI Atlas Nexus", "risks": 556,
     "with_mitigations": 39},
]  # fmt: skip


def mitigations(stage: str = "") -> QuerySet[Mitigation]:
    """Active mitigations (of one stage) with stages and risks; the runnable ones first."""
    at = {"stages__slug": stage} if stage else {}
    return (
        Mitigation.objects.filter(status=Status.ACTIVE, **at)
        .prefetch_related("stages", "risks")
        .order_by(Case(When(engine_key="", then=1), default=0), "name")
    )


def mitigation(slug: str) -> Mitigation | None:
    """One mitigation, retired ones too."""
    return Mitigation.objects.prefetch_related("stages", "risks").filter(slug=slug).first()


def mitigation_page(slug: str) -> dict[str, Any] | None:
    """A mitigation: what it answers, who proposes it, its runs, what can be set."""
    found = mitigation(slug)
    if found is None:
        return None
    latest = evals.latest_runs(mitigation=found.slug)
    telling = _telling(latest)
    return {
        "mitigation": found,
        "engine": registry.get_mitigation(found.engine_key) if found.runnable else None,
        "answers": evidence.attach(
            found.answers.select_related("risk", "mitigation").order_by("risk__name"),
            latest,
        ),
        **(attacks_and_curves(telling) if telling else {}),
        "papers": list(papers().filter(proposals__mitigation=found).order_by("year", "key")),
        "imported": evidence.imported(mitigation=found.slug),
        "runs": list(evals.runs().filter(mitigation=found.slug)[:20]),
    }


def _telling(latest: dict[tuple[str, str], Run]) -> Run | None:
    """The newest run with an effect, a measurable one before others."""
    done = [run for run in latest.values() if run.summary.get("effect")]
    return max(
        done, key=lambda run: (run.verdict == Verdict.MEASURABLE, run.finished_at), default=None
    )


def attacks_and_curves(run: Run) -> dict[str, Any]:
    """Every attack of a run under every arm, static ones beside adaptive ones, and its curves."""
    record = evals.parts_of(run, "arms", "metrics", "comparisons", "curves")
    attacks = [row for row in figures.by_metric(record) if summary.attacks(row, run.summary)]
    return {
        "telling": run,
        "arms": record["arms"],
        "static": [row for row in attacks if not summary.adaptive(row)],
        "adaptive": [row for row in attacks if summary.adaptive(row)],
        "curves": [figures.curve(found) for found in record["curves"] or []],
    }


def coverage() -> dict[str, Any]:
    """For every risk the counts of papers, mitigations, runnable and measured ones."""
    measured = measured_pairs()
    young = timezone.now() - FRESH_FOR
    fresh = {pair for pair, newest in measured.items() if newest >= young}
    risks = (
        Risk.objects.filter(status=Status.ACTIVE)
        .select_related("category__stage")
        .annotate(
            paper_count=Count("placements__paper", distinct=True),
            mitigation_count=Count("answers", distinct=True),
            runnable_count=Count(
                "answers", filter=~Q(answers__mitigation__engine_key=""), distinct=True
            ),
        )
        .order_by("category__stage__position", "name")
    )
    rows = [
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
    return {"risks": rows, "totals": _totals(rows), "elsewhere": ELSEWHERE}


def measured_pairs() -> dict[tuple[str, str], datetime]:
    """{(mitigation, risk): when its newest run finished} of every pair with one."""
    done = Run.objects.filter(status=Run.Status.DONE).order_by()
    newest = done.values_list("mitigation", "risk").annotate(newest=Max("finished_at"))
    return {(mitigation, risk): at for mitigation, risk, at in newest}


def _totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "risks": len(rows),
        **{
            f"with_{name}": sum(bool(row[name]) for row in rows)
            for name in ("papers", "mitigations", "runnable", "measured", "fresh")
        },
    }
