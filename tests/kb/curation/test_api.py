"""Curation by REST: the same rules, with tokens, ETags, and problems that say what to do."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from kb.accounts import tokens
from kb.models import Placement
from taxonomy.models import ChangeSet, Risk, RiskMitigation
from tests.people import person

pytestmark = pytest.mark.django_db
API = "/api/v1"
RISK = "/curate/risk/deepfake/"


class Program:
    """A client that sends JSON with somebody's token."""

    def __init__(self, role: str) -> None:
        self.user = person(f"{role}-program", role)
        _, text = tokens.make(by=self.user, name="test")
        self.client = Client(headers={"Authorization": f"Bearer {text}"}, enforce_csrf_checks=True)

    def __call__(
        self, method: str, address: str, body: Any = None, status: int = 200, **h: str
    ) -> Any:
        send = getattr(self.client, method)
        headers = {name.replace("_", "-"): value for name, value in h.items()}
        response = (
            send(
                API + address,
                body if body is not None else {},
                content_type="application/json",
                headers=headers,
            )
            if method != "get"
            else send(API + address, headers=headers)
        )
        assert response.status_code == status, (response.status_code, response.content[:400])
        if status >= 400:
            assert response["Content-Type"] == "application/problem+json"
            assert response.json()["hint"]
        return response


def test_a_grade_needs_a_reason() -> None:
    ask = Program("curator")
    row = RiskMitigation.objects.order_by("pk")[0]
    address = f"/curate/answer/{row.pk}/"
    body = {"fields": {"grade": "refuted"}, "note": "x"}
    said = ask("patch", address, body, 400, If_Match="*").json()
    assert "needs a reason" in said["errors"]["grade_reason"][0]
    body["fields"] = {"grade": "refuted", "grade_reason": "Seen to fail."}
    ask("patch", address, body, If_Match="*")
    body["fields"] = {"grade_reason": "  "}
    ask("patch", address, body, 400, If_Match="*")
    body["fields"] = {"grade": "not-run", "grade_reason": ""}
    ask("patch", address, body, If_Match="*")


def test_a_write_names_the_version_it_is_about() -> None:
    ask = Program("curator")
    tag = ask("get", RISK)["ETag"]
    body = {"fields": {"name": "Forged faces"}, "note": "clearer"}
    ask("patch", RISK, body, 428)
    ask("patch", RISK, body, 400, If_Match="nonsense")
    done = ask("patch", RISK, body, If_Match=tag).json()
    assert done["changes"][0]["after"] == {"name": "Forged faces"}
    stale = ask("patch", RISK, {"fields": {"name": "Other"}}, 412, If_Match=tag).json()
    assert stale["fields"]["name"]["theirs"] == "Forged faces"
    assert stale["fields"]["name"]["yours"] == "Other"
    assert stale["version"] == 2
    ask("patch", RISK, {"fields": {"name": "Other"}}, If_Match="*")
    history = ask("get", "/history/risk/deepfake/").json()
    assert [entry["values"]["name"] for entry in history[:2]] == ["Other", "Forged faces"]
    assert history[1]["reason"] == "clearer"


@pytest.mark.parametrize("role", ["reader", "contributor"])
def test_a_token_has_no_more_rights_than_its_owner(role: str) -> None:
    ask = Program(role)
    answer = ask("patch", RISK, {"fields": {"name": "x"}}, 403, If_Match="*").json()
    assert "edit at once" in answer["detail"]
    ask("post", "/releases/", {"note": "x"}, 403)
    assert Risk.objects.get(slug="deepfake").version == 1


def test_strangers_are_asked_who_they_are(client: Client) -> None:
    for address in ("/curate/placement/bulk/", "/changesets/", "/tokens/", "/releases/"):
        body = {"title": "x", "name": "x", "note": "x"}
        response = client.post(API + address, body, content_type="application/json")
        assert response.status_code == 401, address


def test_a_dry_run_shows_counts_and_writes_nothing() -> None:
    ask = Program("curator")
    fields = {"select": {"risk": "deepfake"}, "set": {"risk": "sycophancy"}}
    here = Placement.objects.filter(risk__slug="deepfake").count()
    done = ask("post", "/curate/placement/bulk/?dry_run=true", {"fields": fields}).json()
    assert done["dry_run"]
    assert {"kind": "risk", "key": "deepfake", "before": here, "after": 0} in done["counts"]
    assert Placement.objects.filter(risk__slug="deepfake").count() == here
    ask("post", "/curate/placement/bulk/", {"fields": fields, "note": "one thing"})
    assert not Placement.objects.filter(risk__slug="deepfake").exists()


def test_a_set_goes_its_whole_way() -> None:
    author, reviewer = Program("contributor"), Program("reviewer")
    made = author("post", "/changesets/", {"title": "Names", "rationale": "Clearer."}, 201).json()
    here = f"/changesets/{made['id']}"
    item = {"op": "edit", "kind": "risk", "key": "deepfake", "version": 1}
    author("post", f"{here}/items/", {**item, "fields": {"name": "Forged"}}, 201)
    body = {"fields": {"into": "hallucination"}, "changeset": str(made["id"])}
    author("post", "/curate/risk/sycophancy/merge/", body, 202, If_Match="*")
    author("post", f"{here}/submit/")
    author("post", f"{here}/approve/", status=403)
    shown = reviewer("get", f"{here}/preview/").json()
    assert shown["clean"]
    assert shown["items"][0]["changes"][0]["after"] == {"name": "Forged"}
    reviewer("post", f"{here}/items/1/", {"text": "Fine."}, 201)
    reviewer("post", f"{here}/publish/", status=409)
    reviewer("post", f"{here}/approve/")
    state = reviewer("post", f"{here}/publish/").json()
    assert (state["state"], state["reviewer"]) == ("published", "reviewer-program")
    assert state["comments"][0]["text"] == "Fine."
    undone = reviewer("post", f"{here}/revert/", {"item": 2, "note": "no"}).json()
    assert ChangeSet.objects.get(pk=undone["changeset"]).reverts_id == made["id"]
    assert Risk.objects.get(slug="sycophancy").status == "active"


def test_a_revert_in_the_way_of_later_edits_is_decided() -> None:
    ask = Program("curator")
    first = ask("patch", RISK, {"fields": {"name": "One"}}, If_Match="*").json()["changeset"]
    ask("patch", RISK, {"fields": {"name": "Two"}}, If_Match="*")
    stuck = ask("post", f"/changesets/{first}/revert/", {}, 409).json()["stuck"]
    assert (stuck[0]["after"], stuck[0]["now"]) == ("One", "Two")
    choices = {stuck[0]["what"]: "back"}
    ask("post", f"/changesets/{first}/revert/", {"choices": choices})
    assert Risk.objects.get(slug="deepfake").name == stuck[0]["before"]


def test_nobody_publishes_their_own_by_rest() -> None:
    ask = Program("reviewer")
    made = ask("post", "/changesets/", {"title": "Mine", "rationale": "x"}, 201).json()["id"]
    item = {"op": "edit", "kind": "risk", "key": "deepfake", "version": 1, "fields": {"name": "x"}}
    ask("post", f"/changesets/{made}/items/", item, 201)
    ask("post", f"/changesets/{made}/submit/")
    assert "their own" in ask("post", f"/changesets/{made}/approve/", status=403).json()["detail"]


def test_rows_are_made_and_removed() -> None:
    ask = Program("curator")
    fields = {"paper": "arxiv:2307.15043", "risk": "deepfake", "kind": "survey"}
    made = ask("post", "/curate/placement/", {"fields": fields}).json()
    pk = made["changes"][0]["id"]
    assert ask("get", f"/curate/placement/{pk}/").json()["fields"]["risk"] == "deepfake"
    ask("post", "/curate/placement/", {"fields": fields}, 400)
    ask("delete", f"/curate/placement/{pk}/", If_Match="*")
    ask("get", f"/curate/placement/{pk}/", status=404)
    ask("delete", RISK, status=400, If_Match="*")
    ask("post", "/curate/category/6-llm-agent-safety/move/", {"fields": {}}, 404, If_Match="*")


def test_releases_are_compared_and_read(client: Client) -> None:
    ask = Program("reviewer")
    ask("patch", RISK, {"fields": {"name": "Forged"}}, If_Match="*")
    number = ask("post", "/releases/", {"note": "A name."}, 201).json()["number"]
    parts = ask("get", f"/releases/{number}/diff/?from={number - 1}").json()
    risks = next(part for part in parts if part["part"] == "risks")
    assert risks["changed"][0]["key"] == "deepfake"
    assert risks["changed"][0]["fields"]["name"][1] == "Forged"
    old = ask("get", f"/risks/deepfake/?release={number - 1}").json()
    assert old["name"] != "Forged"
    assert ask("get", f"/risks/?release={number}").json()["count"] == Risk.objects.count()
    ask("get", "/risks/?release=999", status=404)
    ask("get", "/risks/?release=one", status=400)
    ask("get", f"/releases/{number}/diff/", status=400)
    assert ask("get", f"/releases/{number}/manifest/").json()["release"] == number


def test_changes_narrow_by_person_and_set() -> None:
    ask = Program("curator")
    made = ask("patch", RISK, {"fields": {"name": "Forged"}}, If_Match="*").json()["changeset"]
    found = ask("get", f"/changes/?changeset={made}&by=curator-program").json()
    assert found["count"] == 1
    assert found["results"][0]["changeset"] == str(made)
    ask("get", "/changes/?by=nobody", status=400)


def test_tokens_are_made_and_revoked_by_rest() -> None:
    ask = Program("reader")
    made = ask("post", "/tokens/", {"name": "second"}, 201).json()
    assert made["token"].startswith(tokens.PREFIX)
    assert "token" not in ask("get", "/tokens/").json()["results"][0]
    ask("delete", f"/tokens/{made['id']}/", status=204)
    ask("delete", f"/tokens/{made['id']}/", status=404)


def test_a_session_needs_its_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("ada"))
    response = client.patch(API + RISK, {"fields": {"name": "x"}}, content_type="application/json")
    assert response.status_code == 403
