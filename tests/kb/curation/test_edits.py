"""Forms of curation: only what was changed is sent, drafts are kept, nobody's text is lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from kb.models import Placement
from taxonomy.models import (
    Category,
    ChangeItem,
    ChangeSet,
    Direction,
    EditDraft,
    Mapping,
    Risk,
    RiskMitigation,
    Stage,
)
from taxonomy.operations import Action, changesets, perform
from tests.people import person

from .test_pages import EDIT, filled

pytestmark = pytest.mark.django_db
HERE = {"HX-Request": "true"}


@pytest.fixture
def ada(client: Client) -> Any:
    user = person("ada")
    client.force_login(user)
    return user


def edit(by: Any, slug: str, **fields: Any) -> Any:
    risk = Risk.objects.get(slug=slug)
    return perform(action=Action("edit", "risk", slug, fields, risk.version), by=by, note="other")


def test_only_what_was_changed_is_written(client: Client, ada: Any) -> None:
    risk = Risk.objects.get(slug="deepfake")
    Risk.objects.filter(pk=risk.pk).update(definition="Two lines,\nended plainly. ")
    client.post(EDIT, filled(harm="Fraud.", definition="Two lines,\r\nended plainly."))
    item = ChangeItem.objects.filter(changeset__author=ada).latest("pk")
    assert item.fields.keys() == {"harm", "definition"}  # the space at the end is gone
    client.post(EDIT, filled(name="Forgery"))
    assert ChangeItem.objects.filter(changeset__author=ada).latest("pk").fields == {
        "name": "Forgery"
    }
    assert client.post(EDIT, filled()).status_code == 302
    assert Risk.objects.get(slug="deepfake").version == 3


def test_a_second_edit_into_a_set_keeps_the_first(client: Client, ada: Any) -> None:
    client.post(EDIT, filled(name="Forgery", changeset="new"))
    found = ChangeSet.objects.get(author=ada)
    client.post(EDIT, filled(harm="Fraud.", changeset=str(found.pk)))
    assert found.items.get().fields == {"name": "Forgery", "harm": "Fraud."}


def test_a_joined_edit_does_not_hide_what_others_changed(client: Client, ada: Any) -> None:
    client.post(EDIT, filled(name="Forgery", changeset="new"))
    found = ChangeSet.objects.get(author=ada)
    edit(person("bo"), "deepfake", name="Bo's name")
    page = client.post(EDIT, filled(harm="Fraud.", changeset=str(found.pk)))
    assert page.status_code == 400
    assert b"no longer fits" in page.content
    assert found.items.get().fields == {"name": "Forgery"}
    assert not changesets.preview(changeset=found, by=ada).clean


def test_an_edit_in_a_set_is_edited_again_and_put_together(client: Client, ada: Any) -> None:
    client.post(EDIT, filled(name="Forgery", harm="Fraud.", changeset="new"))
    found = ChangeSet.objects.get(author=ada)
    edit(person("bo"), "deepfake", name="Bo's name")
    again = f"{EDIT}?set={found.pk}"
    page = client.get(again)
    assert page.context["form"].initial["name"] == "Forgery"
    assert "note" not in page.context["form"].fields
    form = filled(name="Bo's forgery", harm="Fraud.", set=str(found.pk))
    assert client.post(EDIT, {**form, "version": 1}).status_code == 409
    response = client.post(EDIT, form)
    assert response["Location"] == f"{found.get_absolute_url()}#item-1"
    assert found.items.get().fields == {"name": "Bo's forgery", "harm": "Fraud."}
    assert changesets.preview(changeset=found, by=ada).clean
    nothing = client.post(EDIT, filled(set=str(found.pk)))
    assert nothing.status_code == 400
    assert b"take the edit out" in nothing.content
    client.force_login(person("bea"))
    assert client.get(again).status_code == 404


def test_another_edit_can_be_added_where_one_no_longer_fits(client: Client, ada: Any) -> None:
    client.post(EDIT, filled(name="Forgery", changeset="new"))
    found = ChangeSet.objects.get(author=ada)
    edit(person("bo"), "deepfake", name="Bo's name")
    address = "/curate/edit/risk/sycophancy/"
    response = client.post(address, filled("sycophancy", harm="Less.", changeset=str(found.pk)))
    assert response.status_code == 302
    assert found.items.count() == 2


def test_lists_of_others_are_not_overwritten(client: Client, ada: Any) -> None:
    """Stages are kept in a table of their own, and conflict like any other field."""
    old = filled(harm="Mine.")
    stages = sorted(Stage.objects.values_list("slug", flat=True))[:2]
    edit(person("bo"), "deepfake", stages=stages)
    page = client.post(EDIT, old)
    assert page.status_code == 409
    assert page.context["form"].initial["stages"] == stages
    entries = client.get("/history/risk/deepfake/").context["entries"]
    assert "stages" in [name for name, _, _ in entries[0].fields]


def test_a_draft_keeps_what_cannot_be_saved_yet(client: Client, ada: Any) -> None:
    client.post("/curate/draft/risk/deepfake/", filled(name="x" * 200, note=""))
    assert EditDraft.objects.get().fields["name"] == "x" * 200
    assert "x" * 200 in client.get(EDIT).content.decode()
    account = client.get("/accounts/").content.decode()
    assert EDIT in account
    client.post(f"/curate/drafts/{EditDraft.objects.get().pk}/forget/")
    assert not EditDraft.objects.exists()


def test_a_new_row_has_a_draft_for_each_place_it_is_begun_at(client: Client, ada: Any) -> None:
    here = "/curate/new/mapping/?risk=deepfake"
    client.post("/curate/draft/mapping/new:risk=deepfake/", {"risk": "deepfake", "note": "Half"})
    form = {"risk": "deepfake", "relation": "close", "entry": ""}
    client.post("/curate/draft/mapping/new:risk=deepfake/", form)
    assert client.get(here).context["form"].initial["relation"] == "close"
    assert client.get("/curate/new/mapping/?risk=sycophancy").context["draft"] is None
    assert here in client.get("/accounts/").content.decode()
    assert client.get(f"{here}&draft=forget").context["draft"] is None
    assert not EditDraft.objects.exists()


@pytest.mark.parametrize("kind", ["placement", "mapping", "answer"])
def test_rows_without_a_page_are_edited_where_they_stand(
    client: Client, ada: Any, kind: str
) -> None:
    models: dict[str, Any] = {"placement": Placement, "mapping": Mapping, "answer": RiskMitigation}
    row = models[kind].objects.filter(risk__status="active").order_by("pk").first()
    page = row.paper.get_absolute_url() if kind == "placement" else row.risk.get_absolute_url()
    address = f"/curate/edit/{kind}/{row.pk}/"
    assert f'hx-get="{address}"' in client.get(page).content.decode()
    url = f"http://testserver{page}"
    part = client.get(address, headers={**HERE, "HX-Current-URL": url})
    form = {n: v for n, v in part.context["form"].initial.items() if v is not None}
    assert form["back"] == page
    field = {"placement": "evidence", "mapping": "note", "answer": "grade_reason"}[kind]
    form |= {field: "Looked at.", "note": "why", "changeset": ""}
    assert client.post(address, form)["Location"] == page
    assert client.post(address, {**form, "back": "https://elsewhere.example/"}).status_code == 409
    row.refresh_from_db()
    if kind != "mapping":
        assert getattr(row, field) == "Looked at."
    form |= {"version": row.version, field: "Again.", "back": "//elsewhere.example/"}
    assert client.post(address, form)["Location"].startswith("/")


@pytest.mark.parametrize("grade", ["refuted", "reproduced", "claimed"])
def test_a_grade_without_a_reason_is_a_form_error(client: Client, ada: Any, grade: str) -> None:
    row = RiskMitigation.objects.filter(claim="").order_by("pk")[0]
    address = f"/curate/edit/answer/{row.pk}/"
    start = client.get(address, headers=HERE).context["form"].initial
    form = {name: value for name, value in start.items() if value is not None}
    form |= {"grade": grade, "note": "why", "changeset": ""}
    page = client.post(address, form)
    assert page.status_code == 400
    assert "needs a reason" in page.content.decode()
    row.refresh_from_db()
    assert row.grade == "not-run"
    assert client.post(address, {**form, "grade_reason": "Seen to fail."}).status_code == 302
    row.refresh_from_db()
    assert (row.grade, row.grade_reason) == (grade, "Seen to fail.")


def test_a_retired_place_can_be_kept(client: Client, ada: Any) -> None:
    placed = Placement.objects.filter(risk__slug="deepfake").first()
    assert placed is not None
    perform(action=Action("retire", "risk", "deepfake", {}, 1), by=ada, note="x")
    address = f"/curate/edit/placement/{placed.pk}/"
    form = {"risk": "deepfake", "category": "", "kind": placed.kind, "version": placed.version}
    form |= {"evidence": "It says so.", "note": "why", "changeset": ""}
    assert "deepfake (retired)" in client.get(address).content.decode()
    assert client.post(address, form).status_code == 302
    placed.refresh_from_db()
    assert placed.evidence == "It says so."
    assert placed.risk is not None
    assert placed.risk.slug == "deepfake"


def test_a_direction_is_edited_retired_and_restored(client: Client, ada: Any) -> None:
    address = "/curate/edit/direction/agent-systems/"
    form = dict(client.get(address).context["form"].initial)
    risks = form["risks"][1:]
    form |= {"open_questions": "One?\nTwo?", "risks": risks, "note": "why", "changeset": ""}
    assert client.post(address, form)["Location"] == "/directions/agent-systems/"
    row = Direction.objects.get(slug="agent-systems")
    assert row.open_questions == ["One?", "Two?"]
    assert sorted(row.risks.values_list("slug", flat=True)) == sorted(risks)
    entries = client.get("/history/direction/agent-systems/").context["entries"]
    assert [name for name, _, _ in entries[0].fields] == ["open_questions", "risks"]
    back = {"event": entries[-1].id, "version": row.version}
    client.post("/curate/restore-state/direction/agent-systems/", back)
    assert Direction.objects.get(slug="agent-systems").risks.count() == len(risks) + 1
    home = row.category
    act = {"version": 3, "note": "why", "changeset": ""}
    client.post("/curate/retire/direction/agent-systems/", act)
    assert "/directions/agent-systems/" not in client.get("/directions/").content.decode()
    assert "is retired" in client.get("/directions/agent-systems/").content.decode()
    client.post("/curate/restore/direction/agent-systems/", {**act, "version": 4})
    assert Direction.objects.get(slug="agent-systems").status == "active"
    page = client.post(f"/curate/retire/category/{home.slug}/", {**act, "version": home.version})
    assert page.status_code == 400
    assert row.name.encode() in page.content


def test_to_look_what_would_change_needs_no_reason(client: Client, ada: Any) -> None:
    form = {"into": "hallucination", "version": 1, "preview": "1", "changeset": ""}
    page = client.post("/curate/merge/risk/deepfake/", form)
    assert page.status_code == 200
    assert "What would change" in page.content.decode()
    form = {"from_risk": "deepfake", "do": "remove", "preview": "1", "changeset": ""}
    assert "What would change" in client.post("/curate/bulk/", form).content.decode()


def test_a_structural_edit_of_a_row_that_moved_on_is_asked_again(client: Client, ada: Any) -> None:
    edit(person("bo"), "deepfake", harm="Bo's.")
    form = {"into": "hallucination", "version": 1, "note": "one thing", "changeset": ""}
    page = client.post("/curate/merge/risk/deepfake/", form)
    text = page.content.decode()
    assert page.status_code == 409
    assert "one thing" in text
    assert "was changed meanwhile" in text
    assert Risk.objects.get(slug="deepfake").status == "active"
    assert client.post("/curate/merge/risk/deepfake/", {**form, "version": 2}).status_code == 302
    assert Risk.objects.get(slug="deepfake").status == "retired"


def test_a_split_takes_mitigations_and_mappings_along(client: Client, ada: Any) -> None:
    answer = RiskMitigation.objects.filter(risk__slug="deepfake").select_related("mitigation")[0]
    mapping = Mapping.objects.filter(risk__slug="deepfake")[0]
    form = {"slug": "voice-cloning", "name": "Voice cloning", "definition": "A voice, copied."}
    form |= {"mitigations": answer.mitigation.slug, "mappings": str(mapping.pk)}
    form |= {"version": "1", "note": "two things", "changeset": ""}
    assert client.post("/curate/split/risk/deepfake/", form).status_code == 302
    new = Risk.objects.get(slug="voice-cloning")
    assert list(new.answers.values_list("pk", flat=True)) == [answer.pk]
    assert list(new.mappings.values_list("pk", flat=True)) == [mapping.pk]


def test_a_failed_edit_does_not_count_as_a_version(ada: Any) -> None:
    """In a preview, an edit that is taken back leaves the versions of later ones right."""
    found = changesets.draft(by=ada, title="Two", rationale="x")
    other = Category.objects.get(slug="truthfulness")
    for action in (
        Action("merge", "risk", "deepfake", {"into": "hallucination"}, 1),
        Action("edit", "category", other.slug, {"summary": "x"}, other.version),
    ):
        changesets.add(changeset=found, action=action, by=ada)
    perform(action=Action("retire", "risk", "hallucination", {}, 1), by=ada, note="x")
    shown = changesets.preview(changeset=found, by=ada)
    assert [bool(one.error) for one in shown.items] == [True, False]
