"""Evidence where people read it: risk and mitigation pages, comparison, portfolio, downloads."""

from __future__ import annotations

import copy
import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from evals import comparing, operations
from evals.engine import provenance
from evals.engine.mitigations import perplexity_filter as pf
from evals.engine.spec import Spec
from evals.models import Run, Target
from kb import evidence
from taxonomy.models import RiskMitigation
from tests.fakes import FakeLanguageModel

pytestmark = pytest.mark.django_db
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """A whole record, measured on the fake model, with one hostile answer."""
    spec = Spec.create("perplexity-filter", params={"n": 30, "search_steps": 0})
    watch = provenance.Stopwatch()
    found = pf.measure_on(FakeLanguageModel(), spec, lambda p: None, watch).to_dict()  # type: ignore[arg-type]
    found["samples"][0]["output"] = HOSTILE
    return found


def stored(record: dict[str, Any], seed: int = 0, **changes: Any) -> Run:
    """A finished run with this record."""
    operations.sync_targets()
    spec = Spec.create("perplexity-filter", seed=seed, params={"n": 30})
    run = Run.objects.create(
        mitigation=spec.mitigation,
        risk=spec.risk,
        target=Target.objects.get(slug=spec.target),
        seed=seed,
        spec=spec.to_dict(),
        spec_digest=spec.digest,
        status=Run.Status.RUNNING,
        started_at=timezone.now(),
        heartbeat_at=timezone.now(),
    )
    changed = copy.deepcopy(record) | {"spec": spec.to_dict()} | changes
    operations.finish(run=run, result=changed)
    run.refresh_from_db()
    return run


def test_a_risk_ranks_its_mitigations_by_evidence(client: Client, record: dict[str, Any]) -> None:
    run = stored(record)
    page = client.get("/risks/adversarial-suffix/").content.decode()
    first = client.get("/api/v1/risks/adversarial-suffix/").json()["mitigations"][0]
    assert first["slug"] == "perplexity-filter"
    assert first["graded_by_rule"]
    assert first["evidence_reason"] in page.replace("&#x27;", "'")
    assert f'value="{run.pk}"' in page
    assert 'class="figure pair"' in page


def test_a_curators_grade_stands_above_the_rule(client: Client, record: dict[str, Any]) -> None:
    stored(record)
    answer = RiskMitigation.objects.filter(
        risk__slug="adversarial-suffix", mitigation__slug="perplexity-filter"
    )
    answer.update(grade="refuted", grade_reason="The suffixes were not made against this model.")
    rows = client.get("/api/v1/risks/adversarial-suffix/").json()["mitigations"]
    found = next(row for row in rows if row["slug"] == "perplexity-filter")
    assert found["evidence_grade"] == "refuted"
    assert not found["graded_by_rule"]
    assert "(set by a curator)" in client.get("/risks/adversarial-suffix/").content.decode()


def test_a_mitigation_shows_adaptive_attacks_beside_static_ones(
    client: Client, record: dict[str, Any]
) -> None:
    stored(record)
    page = client.get("/mitigations/perplexity-filter/").content.decode()
    assert "Static and adaptive attacks" in page
    assert ">adaptive<" in page


def test_runs_stand_side_by_side(client: Client, record: dict[str, Any]) -> None:
    one, two = stored(record), stored(record, seed=1)
    page = client.get(f"/runs/compare/?run={one.pk}&run={two.pk}")
    assert page.status_code == 200
    text = page.content.decode()
    assert "differ in their seeds" in text
    assert text.count("Questions answered right") == 1


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (["nope", "nope2"], "named by its id"),
        (["00000000-0000-0000-0000-000000000000"] * 2, "2 to 5"),
        ([f"00000000-0000-0000-0000-00000000000{i}" for i in range(2)], "No finished run"),
        ([f"00000000-0000-0000-0000-00000000000{i}" for i in range(6)], "6 were given"),
    ],
)
def test_what_cannot_be_compared_is_said(client: Client, runs: list[str], said: str) -> None:
    page = client.get("/runs/compare/", {"run": runs})
    assert page.status_code == 400
    assert said in page.content.decode()


def test_a_run_comes_as_files_and_has_a_permanent_address(
    client: Client, record: dict[str, Any]
) -> None:
    run = stored(record)
    found = json.loads(client.get(f"/runs/{run.pk}/download/json/").content)
    assert operations.digest(found) == run.result_digest
    rows = list(
        csv.DictReader(io.StringIO(client.get(f"/runs/{run.pk}/download/csv/").content.decode()))
    )
    assert len(rows) == len(record["metrics"])
    assert "model-index:" in client.get(f"/runs/{run.pk}/download/card/").content.decode()
    assert client.get(f"/runs/{run.pk}/download/exe/").status_code == 404
    assert (
        client.get(f"/runs/record/{run.result_digest}/").headers["Location"]
        == run.get_absolute_url()
    )
    assert client.get(f"/runs/record/{'0' * 64}/").status_code == 404
    assert client.get("/runs/record/abc/").status_code == 404


def test_a_formula_does_not_survive_in_a_spreadsheet(
    client: Client, record: dict[str, Any]
) -> None:
    metrics = copy.deepcopy(record["metrics"])
    metrics[0]["label"] = "=HYPERLINK(1)"
    run = stored(record, metrics=metrics)
    assert "'=HYPERLINK(1)" in client.get(f"/runs/{run.pk}/download/csv/").content.decode()


def test_hostile_output_is_data(client: Client, record: dict[str, Any]) -> None:
    page = client.get(stored(record).get_absolute_url()).content.decode()
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def candidate(
    effect: float, refusals: float | None, slower: float | None, timed: str = "a request"
) -> comparing.Candidate:
    return comparing.Candidate(Run(), effect, refusals, 0.0, slower, timed)


def test_the_pareto_set_holds_what_nobody_beats() -> None:
    strong, cheap, bad = candidate(0.6, 0.2, 50), candidate(0.3, 0.0, 10), candidate(0.2, 0.1, 60)
    assert comparing.beats(cheap, bad)
    assert not comparing.beats(strong, cheap)
    assert not comparing.beats(cheap, strong)
    assert not comparing.beats(bad, bad)


def test_nobody_is_beaten_on_a_price_that_one_side_did_not_measure() -> None:
    strong, open_price = candidate(0.6, 0.0, 1), candidate(0.1, None, 1)
    assert not comparing.beats(strong, open_price)
    assert not comparing.beats(open_price, candidate(0.05, 0.3, 9))
    assert comparing.beats(candidate(0.6, None, 1), open_price)
    assert not comparing.beats(strong, candidate(0.1, 0.0, 1, "a training step"))


def test_the_portfolio_compares_within_a_risk_and_budgets_need_figures(
    record: dict[str, Any],
) -> None:
    here, elsewhere, weak = stored(record), stored(record, seed=1), stored(record, seed=2)
    elsewhere.risk = "guardrail-evasion"
    weak.summary["effect"]["gap"]["difference"] = -0.01
    rows = {c.run.pk: c for c in comparing.portfolio([here, elsewhere, weak])}
    assert rows[elsewhere.pk].best
    assert not rows[weak.pk].best
    weak.summary["price"] = []
    assert comparing.portfolio([weak])[0].refusals is None
    assert comparing.portfolio([weak], refusals=1.0) == []


def test_runs_of_one_specification_say_whether_they_agree(
    client: Client, record: dict[str, Any]
) -> None:
    one, two = stored(record), stored(record)
    address = f"/runs/compare/?run={one.pk}&run={two.pk}"
    assert "figures are equal" in client.get(address).content.decode()
    share = two.metrics.filter(unit="share").first()
    assert share
    two.metrics.filter(pk=share.pk).update(value=share.high)
    page = client.get(address).content.decode()
    assert "1 differ" in page
    assert share.label in page


def test_the_portfolio_keeps_budgets(client: Client, record: dict[str, Any]) -> None:
    stored(record)
    page = client.get("/runs/portfolio/")
    assert page.status_code == 200
    (row,) = page.context["rows"]
    assert row.low <= row.effect <= row.high
    tight = client.get("/runs/portfolio/", {"slower": "-1"})
    assert tight.status_code == 400
    assert "within the budgets" not in tight.content.decode()
    assert client.get("/runs/portfolio/", {"risk": "nope"}).status_code == 400


def test_the_command_line_lists_shows_and_compares(record: dict[str, Any]) -> None:
    one, two = stored(record), stored(record, seed=1)

    def said(*args: str) -> str:
        out = io.StringIO()
        call_command("runs", *args, stdout=out)
        return out.getvalue()

    assert str(one.pk) in said("list", "--mitigation", "perplexity-filter")
    assert json.loads(said("show", one.result_digest[:16])) == one.result
    assert "Questions answered right" in said("compare", str(one.pk), str(two.pk))
    asked, _ = operations.request_run(mitigation="perplexity-filter", params={"n": 31})
    for wrong in (["show", "abcdefabcdef"], ["show", str(asked.pk)], ["compare", str(one.pk)]):
        with pytest.raises(CommandError) as error:
            call_command("runs", *wrong)
        assert error.value.returncode == 2


@pytest.mark.parametrize(("unit", "apart"), [("ms", 0), ("s", 0), ("share", 1)])
def test_a_repeated_run_is_compared_without_its_times(
    record: dict[str, Any], unit: str, apart: int
) -> None:
    one, later = copy.deepcopy(record), copy.deepcopy(record)
    for found, value in ((one, 0.5), (later, 0.6)):
        found["metrics"][0] |= {"unit": unit, "value": value, "low": 0.0, "high": 1.0}
    same = comparing.reproduced([stored(one), stored(later)])
    assert same
    assert len(same["apart"]) == apart


def test_coverage_marks_what_is_not_fresh(client: Client, record: dict[str, Any]) -> None:
    run = stored(record)
    totals = client.get("/api/v1/coverage/").json()["totals"]
    assert (totals["with_measured"], totals["with_fresh"]) == (1, 1)
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=400))
    found = client.get("/api/v1/coverage/").json()
    assert (found["totals"]["with_measured"], found["totals"]["with_fresh"]) == (1, 0)
    assert {row["framework"] for row in found["elsewhere"]} == {"mitre-atlas", "ibm-risk-atlas"}
    assert "not fresh" in client.get("/coverage/").content.decode()


def test_coverage_counts_what_was_measured_by_stage(client: Client, record: dict[str, Any]) -> None:
    def counts() -> dict[str, tuple[int, int]]:
        found = client.get("/api/v1/coverage/").json()
        rows = [*found["stages"], {"slug": "all", **found["totals"]}]
        assert all(row["measured"] <= row["runnable"] <= row["mitigations"] for row in rows)
        return {row["slug"]: (row["measured"], row["measurable"]) for row in rows}

    assert set(counts().values()) == {(0, 0)}
    run = stored(record)
    Run.objects.filter(pk=run.pk).update(verdict="measurable")
    assert counts()["deployment"] == counts()["all"] == (1, 1)
    assert counts()["pre-training"] == (0, 0)
    newer = stored(record, seed=1)
    Run.objects.filter(pk=newer.pk).update(verdict="floor")
    assert counts()["all"] == (1, 0)
    home = client.get("/").content.decode()
    assert "with a stored run</a>" in home
    assert "1 measured" in home


@pytest.mark.parametrize(
    ("claim", "value", "unit", "left"),
    [
        ("Attack success fell from 61 % to 2 %.", 2.0, "%", 0.02),
        ("Attack success fell from above 50 % to below 2 %.", 2.0, "% (upper bound)", 0.02),
        ("The attack success rate was 2.07 %.", 2.07, "%", 0.0207),
        ("Attack success went down by 48.2 %.", 48.2, "%", None),
        ("Attack success was cut by up to 98 %.", 98.0, "%", None),
        ("Attack success was 57.82 % lower.", 57.82, "%", None),
        ("Defence success was 80 %.", 80.0, "%", None),
        ("Detection reached 98 %.", 98.0, "%", None),
        ("Attack success fell 10 times.", 10.0, "times", None),
    ],
)
def test_a_claim_is_drawn_where_it_says_what_is_left(
    claim: str, value: float, unit: str, left: float | None
) -> None:
    answer = RiskMitigation(claim=claim, claim_value=value, claim_unit=unit)
    assert evidence.claimed_share(answer) == (pytest.approx(left) if left else None)


def test_the_claim_stands_in_another_mark(client: Client, record: dict[str, Any]) -> None:
    stored(record)
    answer = RiskMitigation.objects.filter(mitigation__slug="perplexity-filter")
    page = client.get("/risks/adversarial-suffix/").content.decode()
    drawn = page.split("<tbody>")[1].count('class="claimed"')
    answer.update(
        claim="Attack success fell to 4 %.", claim_value=4, claim_unit="%",
        claim_source="arxiv:2308.14132",
    )  # fmt: skip
    page = client.get("/risks/adversarial-suffix/").content.decode()
    assert page.split("<tbody>")[1].count('class="claimed"') == drawn + 1
