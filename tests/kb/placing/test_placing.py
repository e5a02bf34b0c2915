"""The queue: offers, decisions on pages and by REST, and what undoing does to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kb.accounts import tokens
from kb.loading import FIXTURES, load_placements
from kb.models import Decision, Offer, Paper, Placement, Training
from kb.placing import decisions, offers
from taxonomy.models import Risk
from taxonomy.operations import Conflict, Invalid, NotAllowed
from taxonomy.operations.revert import revert
from tests.people import person

pytestmark = pytest.mark.django_db
COUNTS = json.loads((Path(__file__).parents[1] / "query_counts_curator.json").read_text())


@pytest.fixture
def offer() -> Offer:
    """An offer for a paper that only rules have placed."""
    made = Training.objects.create(digest="0" * 64, papers=1, risks=1, seconds=0)
    paper = Paper.objects.filter(status="suggested", placements__risk__slug="deepfake").first()
    near = Paper.objects.get(key="arxiv:2307.15043")
    risks = [("watermark-removal", 0.9), ("social-bias", 0.5), ("deepfake", 0.2)]
    return Offer.objects.create(
        paper=paper,
        training=made,
        risks=[{"risk": slug, "confidence": sure} for slug, sure in risks],
        kind="attack",
        neighbours=[{"key": near.key, "title": near.title, "cosine": 0.7, "risks": ["deepfake"]}],
        gain=9.0,
    )


def decide(offer: Offer, verdict: str = "accept", **more: Any) -> Decision:
    given = {"risks": decisions.ticked(offer), "kind": "attack", "version": offer.paper.version}
    by = more.pop("by", None) or person(f"ada{User.objects.count()}")
    return decisions.decide(paper=offer.paper, by=by, verdict=verdict, **{**given, **more})


def placed(paper: Paper) -> set[tuple[str, str]]:
    rows = Placement.objects.filter(paper=paper).select_related("risk", "category")
    return {(row.target.slug, row.origin) for row in rows}  # type: ignore[attr-defined]


def test_accepting_places_the_paper_and_can_be_undone(offer: Offer) -> None:
    before = placed(offer.paper)
    assert before == {("deepfake", "suggested")}
    made = decide(offer)
    assert made.verdict == "accepted"
    assert placed(offer.paper) == {("watermark-removal", "curated"), ("social-bias", "curated")}
    assert Paper.objects.get(pk=offer.paper_id).status == "curated"
    assert not decisions.queue(made.by).filter(pk=offer.pk).exists()
    assert decisions.precision()["first"].value == 1
    assert made.changeset is not None
    revert(changeset=made.changeset, by=person("grace", "reviewer"), note="wrong")
    assert placed(offer.paper) == before
    assert Paper.objects.get(pk=offer.paper_id).status == "suggested"
    assert decisions.queue(made.by).filter(pk=offer.pk).exists()
    assert decisions.precision()["decided"] == 0


def test_choosing_otherwise_counts_as_changed(offer: Offer) -> None:
    made = decide(offer, risks=["deepfake"], kind="defense", note="Makes faces.")
    assert made.verdict == "changed"
    row = Placement.objects.get(paper=offer.paper)
    assert (row.risk.slug, row.kind, row.origin) == ("deepfake", "defense", "curated")  # type: ignore[union-attr]
    assert row.evidence == "Makes faces."
    shares = decisions.precision()
    assert (shares["first"].value, shares["three"].value, shares["kind"].value) == (0, 1, 0)


def test_a_refused_paper_leaves_the_queue_for_everybody(offer: Offer) -> None:
    made = decide(offer, "reject")
    assert placed(offer.paper) == set()
    other = person("other")
    assert not decisions.queue(other).filter(pk=offer.pk).exists()
    load_placements(FIXTURES)
    assert placed(offer.paper) == set()  # loading does not bring it back
    assert made.changeset is not None
    revert(changeset=made.changeset, by=other, note="it does belong")
    assert decisions.queue(other).filter(pk=offer.pk).exists()


def test_what_is_skipped_comes_last_for_who_skipped_it(offer: Offer) -> None:
    later = Paper.objects.filter(status="suggested").exclude(pk=offer.paper_id).first()
    Offer.objects.create(
        paper=later,
        training=offer.training,
        risks=offer.risks,
        kind="attack",
        neighbours=[],
        gain=1,
    )
    ada, bob = person("ada"), person("bob")
    assert decide(offer, "skip", by=ada).changeset is None
    first, second = decisions.queue(ada).first(), decisions.queue(bob).first()
    assert first is not None
    assert second is not None
    assert (first.paper_id, second.paper_id) == (later.pk, offer.paper_id)  # type: ignore[union-attr]


def test_what_cannot_be_is_refused_and_writes_nothing(offer: Offer) -> None:
    Risk.objects.filter(slug="social-bias").update(status="retired")
    wrong: list[tuple[type[Exception], dict[str, Any]]] = [
        (Invalid, {"risks": []}),
        (Invalid, {"kind": "poem"}),
        (Invalid, {"verdict": "perhaps"}),
        (Invalid, {}),  # one of the risks is retired
        (Conflict, {"risks": ["deepfake"], "version": 99}),
        (NotAllowed, {"by": person("eve", "contributor")}),
    ]
    for error, given in wrong:
        with pytest.raises(error):
            decide(offer, **given)
    assert placed(offer.paper) == {("deepfake", "suggested")}
    assert not Decision.objects.exists()


def test_the_page_shows_one_paper_and_takes_the_decision(client: Client, offer: Offer) -> None:
    assert client.get("/queue/").status_code == 302
    client.force_login(person("reader", "reader"))
    assert client.get("/queue/").status_code == 403
    client.force_login(person("ada"))
    page = client.get("/queue/").content.decode()
    assert offer.paper.title in page.replace("&#x27;", "'").replace("&amp;", "&")
    for key in ("1", "c", "a", "r", "s", "n"):
        assert f'data-key="{key}"' in page
    given = {"version": offer.paper.version, "risk": ["deepfake"], "kind": "attack"}
    address = f"/queue/{offer.paper.key}/"
    stale = client.post(address, {**given, "version": 77, "verdict": "accept"}, follow=True)
    assert "changed this paper meanwhile" in stale.content.decode()
    empty = client.post(address, {"version": 1, "kind": "attack", "verdict": "accept"}, follow=True)
    assert "at least one risk" in empty.content.decode()
    done = client.post(address, {**given, "verdict": "accept"}, follow=True)
    assert "See or undo" in done.content.decode()
    assert placed(offer.paper) == {("deepfake", "curated")}


def test_programs_do_the_same(offer: Offer) -> None:
    _, text = tokens.make(by=person("program"), name="test")
    client = Client(headers={"Authorization": f"Bearer {text}"})
    assert Client().get("/api/v1/queue/").status_code == 401
    listed = client.get("/api/v1/queue/?limit=5").json()
    assert listed["results"][0]["key"] == offer.paper.key
    assert listed["results"][0]["ticked"] == ["watermark-removal", "social-bias"]
    address = f"/api/v1/queue/{offer.paper.key}/"
    tag = client.get(address)["ETag"]
    body = {"verdict": "accept", "risks": ["social-bias"], "kind": "analysis"}

    def post(**headers: str) -> Any:
        return client.post(address, body, content_type="application/json", headers=headers)

    assert post().status_code == 428
    assert post(**{"If-Match": '"9999-0"'}).status_code == 412
    done = post(**{"If-Match": tag})
    assert (done.status_code, done.json()["verdict"]) == (200, "changed")
    assert client.get(address).status_code == 404
    assert client.get("/api/v1/queue/").json()["precision"]["decided"] == 1


def test_offers_are_made_once_for_what_waits() -> None:
    keep = list(Placement.objects.filter(origin="curated", risk__isnull=False).order_by("pk")[:150])
    Placement.objects.filter(origin="curated").exclude(pk__in=[p.pk for p in keep]).delete()
    waiting = list(Paper.objects.filter(status="suggested").order_by("pk")[:40])
    Paper.objects.filter(status="suggested").exclude(pk__in=[p.pk for p in waiting]).update(
        status="curated"
    )
    assert offers.refresh() == 40
    assert offers.refresh() == 0
    one = Offer.objects.get(paper=waiting[0])
    sure = [row["confidence"] for row in one.risks]
    assert sure == sorted(sure, reverse=True)
    assert len(one.neighbours) == 4
    assert one.training.papers == len({p.paper_id for p in keep})
    placement = keep[0]
    placement.risk = Risk.objects.exclude(pk=placement.risk_id).first()
    placement.save()
    assert offers.refresh() == 40  # curators changed something, so it learns anew
    assert Training.objects.count() == 1


@pytest.mark.parametrize(("address", "most"), COUNTS.items())
def test_curators_pages_ask_so_many_queries_however_much_waits(
    client: Client, offer: Offer, address: str, most: int
) -> None:
    client.force_login(person("ada"))
    seen = []
    for papers in (Paper.objects.none(), Paper.objects.filter(status="suggested")[:30]):
        for paper in papers:
            if paper.pk != offer.paper_id:
                more = {"training": offer.training, "risks": offer.risks, "gain": 1}
                Offer.objects.create(paper=paper, kind="survey", neighbours=[], **more)
        client.get(address)  # the session is read and written the first time
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        seen.append(len(queries))
    assert seen == [most, most], f"{address} asks {seen} queries; change the number if meant"
