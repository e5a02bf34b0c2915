"""Twenty curators at once, each with a connection of their own: nothing is lost."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, connections, transaction

from taxonomy.models import Category, ChangeSet, Risk, Stage
from taxonomy.operations import Action, Conflict, CurationError, perform
from tests.people import person

HANDS, ROUNDS, SHARED = 20, 6, 4


@pytest.fixture
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """Rows that are really committed, and taken away afterwards."""
    with django_db_blocker.unblock():
        stage = Stage.objects.get(slug="cross-stage")
        nodes = [
            Category.objects.create(
                slug=f"hands-{i}", name=f"Hands {i}", stage=stage, origin="ours"
            )
            for i in range(SHARED)
        ]
        for i in range(SHARED):
            one = Risk.objects.create(
                slug=f"hands-{i}", name=f"Hands {i}", definition="x", category=nodes[0]
            )
            one.stages.set([stage])
        people = [person(f"hand-{i}") for i in range(HANDS)]
        try:
            yield people
        finally:
            ChangeSet.objects.filter(author__in=people).delete()
            Risk.objects.filter(slug__startswith="hands-").delete()
            Category.objects.filter(slug__startswith="hands-").delete()
            get_user_model().objects.filter(pk__in=[one.pk for one in people]).delete()
            connection.close()


def at_once(work: Callable[[int], None], hands: int) -> list[BaseException]:
    """Run ``work`` in that many threads, begun together; what they could not handle."""
    start, troubles = threading.Barrier(hands), []

    def run(number: int) -> None:
        try:
            start.wait(30)
            work(number)
        except BaseException as error:
            troubles.append(error)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(hands) as pool:
        list(pool.map(run, range(hands)))
    return troubles


def test_no_update_is_lost(world: Any) -> None:
    def add_an_alias(number: int) -> None:
        chance = random.Random(number)
        for round_ in range(ROUNDS):
            slug, mine = f"hands-{chance.randrange(SHARED)}", f"{number}-{round_}"
            while True:
                row = Risk.objects.get(slug=slug)
                fields = {"aliases": [*row.aliases, mine]}
                action = Action("edit", "risk", slug, fields, row.version)
                try:
                    perform(action=action, by=world[number], note=mine)
                    break
                except Conflict:
                    continue

    assert at_once(add_an_alias, HANDS) == []
    rows = list(Risk.objects.filter(slug__startswith="hands-"))
    kept = [alias for row in rows for alias in row.aliases]
    wanted = [f"{number}-{round_}" for number in range(HANDS) for round_ in range(ROUNDS)]
    assert sorted(kept) == sorted(wanted)
    assert sum(row.version - 1 for row in rows) == HANDS * ROUNDS
    assert ChangeSet.objects.filter(author__in=world).count() == HANDS * ROUNDS


def test_no_circle_and_no_deadlock_reaches_anybody(world: Any) -> None:
    def move_about(number: int) -> None:
        chance = random.Random(number)
        for _ in range(ROUNDS):
            one, other = chance.sample(range(SHARED), 2)
            row = Category.objects.get(slug=f"hands-{one}")
            fields = {"parent": f"hands-{other}"}
            action = Action("move", "category", row.slug, fields, row.version)
            try:
                perform(action=action, by=world[number], note="moved")
            except CurationError:
                pass  # refused in words: stale, or it would close a circle

    assert at_once(move_about, HANDS) == []
    above = dict(Category.objects.filter(slug__startswith="hands-").values_list("pk", "parent_id"))
    for pk in above:
        seen = set()
        while pk is not None:
            assert pk not in seen
            seen.add(pk)
            pk = above.get(pk)


def test_a_collision_with_what_is_not_curation_is_tried_again(world: Any) -> None:
    """Loading takes rows in its own order; PostgreSQL then has to choose a victim."""
    ids = list(Category.objects.filter(slug__startswith="hands-").order_by("pk"))

    def work(number: int) -> None:
        if number:
            for _ in range(2):
                row = Category.objects.get(slug="hands-0")
                action = Action("move", "category", row.slug, {"parent": None}, row.version)
                try:
                    perform(action=action, by=world[number], note="moved")
                except CurationError:
                    pass
            return
        for _ in range(2):  # the loader: the same rows, from the other end
            try:
                with transaction.atomic():
                    for row in reversed(ids):
                        Category.objects.filter(pk=row.pk).update(summary=str(random.random()))
            except OperationalError:
                pass

    assert at_once(work, 6) == []
