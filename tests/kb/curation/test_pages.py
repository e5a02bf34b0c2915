"""Curation by pages: forms in place, two texts at once, sets, history, releases."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from kb.models import Placement
from taxonomy.models import Category, ChangeSet, EditDraft, Release, Risk
from taxonomy.operations import Action, changesets, freeze, perform
from tests.people import person

pytestmark = pytest.mark.django_db
EDIT = "/curate/edit/risk/deepfake/"


@pytest.fixture
def ada(client: Client) -> Any:
    user = person("ada")
    client.force_login(user)
    return user


def filled(slug: str = "deepfake", **values: Any) -> dict[str, Any]:
    risk = Risk.objects.get(slug=slug)
    form = {
        "name": risk.name,
        "definition": risk.definition,
        "category": risk.category.slug,
        "stages": [stage.slug for stage in risk.stages.all()],
        "aliases": "\n".join(risk.aliases),
        "attacker_needs": risk.attacker_needs,
        "harm": risk.harm,
        "version": risk.version,
        "note": "clearer",
        "changeset": "",
    }
    return {**form, **values}


def test_a_form_opens_alone_for_htmx_and_saves(client: Client, ada: Any) -> None:
    part = client.get(EDIT, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith("<form")
    response = client.post(EDIT, filled(name="Forged faces"))
    assert response["Location"] == "/risks/deepfake/"
    risk = Risk.objects.get(slug="deepfake")
    assert (risk.name, risk.version) == ("Forged faces", 2)
    page = client.get("/history/risk/deepfake/").content.decode()
    assert "clearer" in page
    assert "ada" in page
    assert "<ins>Forged faces</ins>" in page


def test_a_form_that_cannot_be_saved_says_where(client: Client, ada: Any) -> None:
    page = client.post(EDIT, filled(definition=""))
    assert page.status_code == 400
    assert b"blank" in page.content
    assert client.post(EDIT, filled(note="")).status_code == 400


def test_two_texts_at_once_are_both_kept(client: Client, ada: Any) -> None:
    form = filled(definition="My own words of it.", harm="Mine.")
    theirs = {"definition": "Their words for it.", "name": "Their name"}
    perform(action=Action("edit", "risk", "deepfake", theirs, 1), by=ada, note="them")
    page = client.post(EDIT, form)
    text = page.content.decode()
    assert page.status_code == 409
    for words in ("My own words of it.", "Their", "Mine."):
        assert words in text
    fresh = page.context["form"].initial
    assert fresh["name"] == "Their name"  # only they touched it
    assert fresh["harm"] == "Mine."
    assert fresh["version"] == 2
    assert client.post(EDIT, {**filled(), "definition": "Ours."}).status_code == 302
    assert Risk.objects.get(slug="deepfake").definition == "Ours."


def test_a_draft_is_kept_while_typing(client: Client, ada: Any) -> None:
    client.post("/curate/draft/risk/deepfake/", filled(harm="Half a sent", note=""))
    assert EditDraft.objects.get().fields["harm"] == "Half a sent"
    assert "Half a sent" in client.get(EDIT).content.decode()
    assert "Half a sent" not in client.get(f"{EDIT}?draft=forget").content.decode()
    client.post(EDIT, filled(harm="Half a sentence."))
    assert not EditDraft.objects.exists()


def test_a_contributor_proposes_and_a_reviewer_publishes(client: Client) -> None:
    client.force_login(person("cleo", "contributor"))
    assert client.post(EDIT, filled(name="Forged")).status_code == 403  # not at once
    response = client.post(EDIT, filled(name="Forged", changeset="new"))
    found = ChangeSet.objects.get(direct=False, author__username="cleo")
    address = found.get_absolute_url()
    assert response["Location"] == address
    client.post(f"{address}submit/")
    client.force_login(person("rhea", "reviewer"))
    page = client.get(address).content.decode()
    assert "<ins>Forged</ins>" in page
    client.post(f"{address}items/1/comment/", {"text": "Plural?"})
    client.post(f"{address}approve/")
    client.post(f"{address}publish/")
    assert Risk.objects.get(slug="deepfake").name == "Forged"
    assert "Plural?" in client.get(address).content.decode()
    assert client.post(f"{address}revert/", {"note": "no"}).status_code == 302
    assert Risk.objects.get(slug="deepfake").name != "Forged"


def test_nobody_approves_their_own_by_page(client: Client) -> None:
    client.force_login(person("rhea", "reviewer"))
    client.post(EDIT, filled(name="Deepfakes", changeset="new"))
    found = ChangeSet.objects.get(direct=False, author__username="rhea")
    client.post(f"{found.get_absolute_url()}submit/")
    refused = client.post(f"{found.get_absolute_url()}approve/")
    assert refused.status_code == 403
    assert "/accounts/login/" in refused.content.decode()  # a way on


def test_a_heading_is_moved_by_the_outlines_form(client: Client, ada: Any) -> None:
    assert "data-tree" in client.get("/stages/data-preparation/").content.decode()
    form = {"version": 1, "parent": "2-1-pretraining-data-safety", "stage": "", "before": ""}
    form |= {"note": "moved in the outline", "changeset": ""}
    response = client.post("/curate/move/category/2-2-fine-tuning-data-safety/", form)
    assert response.status_code == 302
    node = Category.objects.get(slug="2-2-fine-tuning-data-safety")
    assert node.parent is not None
    assert node.parent.slug == "2-1-pretraining-data-safety"
    circle = {**form, "parent": node.slug}
    page = client.post("/curate/move/category/2-1-pretraining-data-safety/", circle)
    assert page.status_code == 400
    assert b"under itself" in page.content


def test_a_merged_address_leads_on(client: Client, ada: Any) -> None:
    form = {"into": "deepfake", "version": 1, "note": "one thing", "changeset": ""}
    shown = client.post("/curate/merge/risk/sycophancy/", {**form, "preview": "1"})
    assert "What would change" in shown.content.decode()
    assert Risk.objects.get(slug="sycophancy").status == "active"
    client.post("/curate/merge/risk/sycophancy/", form)
    assert client.get("/risks/sycophancy/")["Location"] == "/risks/deepfake/"
    assert client.get("/api/v1/risks/sycophancy/").json()["slug"] == "deepfake"
    assert client.get("/history/risk/sycophancy/").status_code == 200


def test_placements_in_bulk_are_previewed(client: Client, ada: Any) -> None:
    form = {"from_risk": "deepfake", "do": "set", "to_risk": "sycophancy"}
    form |= {"note": "why", "changeset": "", "papers": ""}
    before = Placement.objects.filter(risk__slug="deepfake").count()
    page = client.post("/curate/bulk/", {**form, "preview": "1"}).content.decode()
    assert "Papers, before and after" in page
    assert Placement.objects.filter(risk__slug="deepfake").count() == before
    assert client.post("/curate/bulk/", form).status_code == 302
    assert not Placement.objects.filter(risk__slug="deepfake").exists()


@pytest.mark.parametrize(
    "address",
    [
        "/curate/new/placement/?paper=arxiv:2307.15043",
        "/curate/new/risk/",
        "/curate/new/category/?stage=deployment",
        "/curate/new/mapping/?risk=deepfake",
        "/curate/new/answer/?risk=deepfake",
        "/curate/new/mitigation/",
        "/curate/edit/paper/arxiv:2307.15043/",
        "/curate/edit/category/truthfulness/",
        "/curate/edit/mitigation/smoothllm/",
        "/curate/split/risk/deepfake/",
        "/curate/retire/mitigation/smoothllm/",
        "/curate/bulk/?from_risk=deepfake",
        "/changesets/new/",
    ],
)
def test_forms_open_for_curators_alone(client: Client, address: str) -> None:
    assert "/accounts/login/" in client.get(address)["Location"]
    client.force_login(person("reader", "reader"))
    assert client.get(address).status_code == 403
    client.force_login(person("ada"))
    assert client.get(address).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/curate/edit/risk/nope/",
        "/curate/edit/moon/x/",
        "/curate/polish/risk/deepfake/",
        "/curate/merge/category/truthfulness/",
        "/changesets/999999/",
        "/changesets/?state=asleep",
        "/history/risk/nope/",
        "/history/placement/99999999999999999999/",
        "/releases/999/",
        "/releases/1/to/999/",
        "/risks/deepfake/?release=999",
        "/risks/deepfake/?release=x",
        "/risks/nope/?release=1",
    ],
)
def test_what_is_not_there_is_said(client: Client, ada: Any, address: str) -> None:
    assert client.get(address).status_code == 404


def test_an_old_state_is_restored(client: Client, ada: Any) -> None:
    stages = sorted(s.slug for s in Risk.objects.get(slug="deepfake").stages.all())
    old = Risk.objects.get(slug="deepfake").definition
    change = {"definition": "Other words.", "stages": ["deployment", "pre-training"]}
    perform(action=Action("edit", "risk", "deepfake", change, 1), by=ada, note="x")
    entries = client.get("/history/risk/deepfake/").context["entries"]
    form = {"event": entries[-1].id, "version": 2}
    client.post("/curate/restore-state/risk/deepfake/", form)
    risk = Risk.objects.get(slug="deepfake")
    assert (risk.definition, risk.version) == (old, 3)
    assert sorted(s.slug for s in risk.stages.all()) == stages


def test_the_log_narrows_and_feeds(client: Client, ada: Any) -> None:
    perform(action=Action("edit", "risk", "deepfake", {"name": "Deepfakes"}, 1), by=ada, note="y")
    page = client.get("/changes/?by=ada&what=risk").content.decode()
    assert "Deepfakes" in page
    assert client.get("/changes/?by=nobody-here").status_code == 400
    feed = client.get("/changes/feed/?by=ada")
    assert feed["Content-Type"].startswith("application/atom+xml")
    assert b"/history/risk/deepfake/" in feed.content
    assert client.get("/changes/feed/?since=x").status_code == 404


def test_a_page_opens_as_a_release_had_it(client: Client, ada: Any) -> None:
    old = Release.objects.first()
    assert old is not None
    name = Risk.objects.get(slug="deepfake").name
    perform(action=Action("edit", "risk", "deepfake", {"name": "Deepfakes"}, 1), by=ada, note="z")
    client.force_login(person("rhea", "reviewer"))
    client.post("/releases/new/", {"note": "A better name."})
    new = Release.objects.first()
    assert new is not None
    assert new.number == old.number + 1
    page = client.get(f"/risks/deepfake/?release={old.number}").content.decode()
    assert name in page
    assert "Deepfakes</h1>" not in page
    for kind, slug in (("stages", "deployment"), ("mitigations", "smoothllm")):
        assert client.get(f"/{kind}/{slug}/?release={new.number}").status_code == 200
    text = client.get(f"/releases/{old.number}/to/{new.number}/").content.decode()
    assert "deepfake" in text
    assert client.get(f"/releases/{new.number}/").status_code == 200


def test_a_release_is_downloaded_with_its_hashes(client: Client) -> None:
    import hashlib
    import io
    import zipfile

    one = client.get("/releases/1/download/").content
    assert one == client.get("/releases/1/download/").content
    manifest = client.get("/releases/1/manifest.json").json()
    packed = zipfile.ZipFile(io.BytesIO(one))
    for name, known in manifest["files"].items():
        data = packed.read(f"safestack-release-1/{name}")
        assert hashlib.sha256(data).hexdigest() == known["sha256"]
        assert data.count(b"\n") == known["rows"]


def test_freezing_takes_the_right_and_a_change() -> None:
    from taxonomy.operations import Invalid, NotAllowed

    with pytest.raises(NotAllowed):
        freeze(by=person("ada"), note="x")
    with pytest.raises(Invalid, match="Nothing has changed"):
        freeze(by=person("rhea", "reviewer"), note="x")


def test_the_log_shows_lists_as_changes_of_their_row(client: Client, ada: Any) -> None:
    fields = {"stages": ["deployment", "pre-training"]}
    perform(action=Action("edit", "risk", "deepfake", fields, 1), by=ada, note="wider")
    page = client.get("/changes/?by=ada&what=risk")
    rows = page.context["rows"]
    assert {"stages"} in [set(row.fields) for row in rows]
    assert {row.key for row in rows} == {"deepfake"}
    assert b"/history/risk/deepfake/" in client.get("/changes/feed/?by=ada").content


def test_a_form_that_became_too_old_says_what_to_do() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("ada"))
    page = client.post(EDIT, filled())
    assert page.status_code == 403
    assert "a form of curation keeps a draft" in page.content.decode()


@pytest.mark.parametrize("address", [EDIT, "/curate/draft/risk/deepfake/", "/curate/bulk/"])
def test_far_too_much_is_refused(client: Client, ada: Any, address: str) -> None:
    page = client.post(address, filled(harm="x" * 50_000_000))
    assert page.status_code in {400, 413}
    assert not EditDraft.objects.exists()


def test_anybody_may_look_at_a_set(client: Client) -> None:
    """A preview signs nothing with the name of a stranger, who has none."""
    ada = person("ada")
    found = changesets.draft(by=ada, title="One thing", rationale="x")
    merge = Action("merge", "risk", "deepfake", {"into": "hallucination"}, 1)
    bulk = Action(
        "bulk", "placement", "", {"select": {"kind": "survey"}, "set": {"kind": "attack"}}
    )
    for action in (merge, bulk):
        changesets.add(changeset=found, action=action, by=ada)
    page = client.get(found.get_absolute_url())
    assert page.status_code == 200
    assert "merge risk deepfake into hallucination" in page.content.decode()
    assert 'id="effect"' not in page.content.decode()
