"""Twenty programs at once over HTTP, each a curator with a token: nothing is lost."""

from __future__ import annotations

import json
import random
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from kb.accounts import tokens
from taxonomy.models import ChangeSet, Risk
from tests.people import person
from tests.taxonomy.test_many_hands import HANDS, SHARED, at_once, world

__all__ = ["world"]
pytestmark = pytest.mark.xdist_group("browser")  # shares the running site
ROUNDS = 3


class Hand:
    """A curator's program: it reads a row, changes it, and reads again where it was late."""

    def __init__(self, site: str, token: str) -> None:
        self.site, self.token, self.late = f"{site}/api/v1", token, 0

    def ask(self, method: str, address: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.site + address,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                **headers,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, (answer.headers, json.loads(answer.read() or b"null"))
        except urllib.error.HTTPError as error:
            return error.code, (error.headers, json.loads(error.read()))

    def add_alias(self, slug: str, alias: str) -> None:
        address = f"/curate/risk/{slug}/"
        while True:
            status, (headers, row) = self.ask("GET", address)
            assert status == 200, row
            fields = {"aliases": [*row["fields"]["aliases"], alias]}
            tag = {"If-Match": headers["ETag"]}
            status, (_, said) = self.ask("PATCH", address, {"fields": fields, "note": alias}, **tag)
            if status == 200:
                return
            assert status == 412, (status, said)
            assert said["fields"]["aliases"]["yours"] == fields["aliases"]
            self.late += 1


def test_twenty_curators_over_http(world: Any, site: str, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        hands = [Hand(site, tokens.make(by=one, name="hand")[1]) for one in world]

    def work(number: int) -> None:
        chance = random.Random(number)
        for round_ in range(ROUNDS):
            hands[number].add_alias(f"hands-{chance.randrange(SHARED)}", f"{number}-{round_}")

    assert at_once(work, HANDS) == []
    with django_db_blocker.unblock():
        rows = list(Risk.objects.filter(slug__startswith="hands-"))
        kept = sorted(alias for row in rows for alias in row.aliases)
        assert kept == sorted(f"{n}-{r}" for n in range(HANDS) for r in range(ROUNDS))
        assert ChangeSet.objects.filter(author__in=world).count() == HANDS * ROUNDS
    assert sum(hand.late for hand in hands) > 0  # they did get into each other's way


def test_a_set_is_published_once_whoever_presses(
    world: Any, site: str, django_db_blocker: Any
) -> None:
    """Several reviewers press Publish at the same moment: one does it, the others are told."""
    with django_db_blocker.unblock():
        author = tokens.make(by=world[0], name="author")[1]
        people = [person(f"press-{i}", "reviewer") for i in range(5)]
        hands = [Hand(site, tokens.make(by=one, name="press")[1]) for one in people]
    try:
        own = Hand(site, author)
        _, (_, made) = own.ask("POST", "/changesets/", {"title": "Names", "rationale": "x"})
        here = f"/changesets/{made['id']}"
        item = {"op": "edit", "kind": "risk", "key": "hands-0", "version": 1}
        assert own.ask("POST", f"{here}/items/", {**item, "fields": {"harm": "y"}})[0] == 201
        assert own.ask("POST", f"{here}/submit/", {})[0] == 200
        assert hands[0].ask("POST", f"{here}/approve/", {})[0] == 200
        found: list[int] = []
        lock = threading.Lock()

        def press(number: int) -> None:
            status, _ = hands[number].ask("POST", f"{here}/publish/", {})
            with lock:
                found.append(status)

        assert at_once(press, len(hands)) == []
        assert sorted(found) == [200, 409, 409, 409, 409]
        with django_db_blocker.unblock():
            assert Risk.objects.get(slug="hands-0").version == 2
    finally:
        with django_db_blocker.unblock():
            ChangeSet.objects.filter(author=world[0]).delete()
            for one in people:
                one.delete()
