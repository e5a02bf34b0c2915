"""Suggestions of visitors: sent without an account, limited, followed by a secret, answered."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from kb.accounts import tokens
from kb.models import VisitorNote
from kb.placing import notes
from taxonomy.operations import Conflict, Invalid, NotAllowed
from tests.people import person

pytestmark = pytest.mark.django_db
GIVEN = {"topic": "paper", "about": "arXiv 2307.15043", "text": "This one is <b>missing</b> here."}


def test_a_visitor_sends_follows_and_is_answered(client: Client) -> None:
    sent = client.post("/suggest/", GIVEN)
    link = sent["Location"]
    page = client.get(link)
    assert page["Referrer-Policy"] == "no-referrer"
    assert "&lt;b&gt;missing" in page.content.decode()
    note = VisitorNote.objects.get()
    assert note.digest not in link
    assert link.strip("/").split("/")[-1] not in str(vars(note))
    curator = Client()
    curator.force_login(person("ada"))
    assert "2307.15043" in curator.get("/suggestions/").content.decode()
    answer = {"version": 1, "state": "taken", "answer": "Thank you."}
    address = f"/suggestions/{note.pk}/"
    assert "Answered" in curator.post(address, answer, follow=True).content.decode()
    assert "meanwhile" in curator.post(address, answer, follow=True).content.decode()
    assert "Thank you." in client.get(link).content.decode()
    assert client.get("/suggest/another-secret/").status_code == 404
    assert client.get("/suggestions/").status_code == 302


def test_one_address_cannot_send_without_end(client: Client) -> None:
    for _ in range(notes.ONE):
        assert client.post("/suggest/", GIVEN).status_code == 302
    refused = client.post("/suggest/", GIVEN)
    assert refused.status_code == 429
    assert "Try again in" in refused.content.decode()
    assert client.post("/suggest/", GIVEN, REMOTE_ADDR="10.0.0.9").status_code == 302
    VisitorNote.objects.update(at=timezone.now() - timedelta(hours=2))
    assert client.post("/suggest/", GIVEN).status_code == 302


def test_bad_notes_are_refused(client: Client) -> None:
    for wrong in ({"topic": "poem"}, {"about": ""}, {"text": "short"}, {"text": "x" * 4001}):
        assert client.post("/suggest/", {**GIVEN, **wrong}).status_code == 400
    with pytest.raises(Invalid):
        notes.send(topic="paper", about="a\0", text="long enough text", address=None)
    assert not VisitorNote.objects.exists()


def test_answers_need_the_right_and_the_version() -> None:
    made, _ = notes.send(**GIVEN, address=None)
    with pytest.raises(NotAllowed):
        notes.answer(pk=made.pk, by=person("eve", "contributor"), state="taken", text="", version=1)
    with pytest.raises(Conflict):
        notes.answer(pk=made.pk, by=person("ada"), state="taken", text="", version=3)


def test_programs_do_the_same(client: Client) -> None:
    sent = client.post("/api/v1/suggestions/", GIVEN, content_type="application/json")
    assert sent.status_code == 201
    secret, pk = sent.json()["secret"], sent.json()["id"]
    assert client.get(f"/api/v1/suggestions/{secret}/").json()["state"] == "waiting"
    assert client.get("/api/v1/suggestions/").status_code == 401
    _, text = tokens.make(by=person("program"), name="test")
    curator = Client(headers={"Authorization": f"Bearer {text}"})
    assert curator.get("/api/v1/suggestions/?state=waiting").json()["count"] == 1
    address, body = f"/api/v1/suggestions/{pk}/answer/", {"state": "declined", "answer": "No."}

    def post(**headers: str) -> int:
        return curator.post(
            address, body, content_type="application/json", headers=headers
        ).status_code

    assert post() == 428
    assert post(**{"If-Match": '"1-0"'}) == 200
    assert post(**{"If-Match": '"1-0"'}) == 412
    assert client.get(f"/api/v1/suggestions/{secret}/").json()["answer"] == "No."
    for _ in range(notes.ONE - 1):
        client.post("/api/v1/suggestions/", GIVEN, content_type="application/json")
    over = client.post("/api/v1/suggestions/", GIVEN, content_type="application/json")
    assert (over.status_code, over["Content-Type"]) == (429, "application/problem+json")
    assert int(over["Retry-After"]) > 0
