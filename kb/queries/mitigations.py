"""Mitigations: the catalogue, and one of them with its runs."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, QuerySet, When

from evals import figures, progress, summary
from evals import queries as evals
from evals.engine import registry
from evals.models import Run, Verdict
from kb import evidence
from taxonomy.models import Mitigation, Status

from .papers import papers


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
    runs = found.runnable and found.status == Status.ACTIVE
    engine = registry.get_mitigation(found.engine_key) if runs else None
    usual = {param.name: param.default for param in engine.params} if engine else {}
    return {
        "mitigation": found,
        "engine": engine,
        "effort": progress.effort(engine, usual) if engine else None,
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
