"""What a change set would do to search: foreseen, and then borne out by publishing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kb import search
from kb.curation import effects
from kb.models import Paper, Placement
from taxonomy.models import ChangeSet, Risk
from taxonomy.operations import Action, changesets, perform
from tests.people import person

pytestmark = pytest.mark.django_db
PAPER = "arxiv:2307.15043"
OTHER = "Watermarks in text: a green list of tokens lets a z test detect what a model wrote."


def proposed(by: Any, *actions: Action) -> ChangeSet:
    found = changesets.draft(by=by, title="Texts", rationale="They say more.")
    for action in actions:
        changesets.add(changeset=found, action=action, by=by)
    return found


def top(text: str) -> list[str]:
    hits = search.rank(text, Paper.objects.all()).hits[:10]
    keys = Paper.objects.in_bulk([hit.paper_id for hit in hits])
    return [keys[hit.paper_id].key for hit in hits]


def nearest(paper: Paper) -> list[str]:
    pairs = search.similar(paper, Paper.objects.all(), 10)
    keys = Paper.objects.in_bulk([pk for pk, _ in pairs])
    return [keys[pk].key for pk, _ in pairs]


def foreseen(before: list[str], ranking: effects.Ranking) -> list[str | None]:
    """The first ten after the moves; None is what the moves do not speak of."""
    after: list[str | None] = [None] * 10
    moved = {move.paper.key for move in ranking.moves}
    for rank, key in enumerate(before):
        if key not in moved:
            after[rank] = key
    for move in ranking.moves:
        if move.after is not None:
            after[move.after - 1] = move.paper.key
    return after


def test_what_is_foreseen_comes_true() -> None:
    """Every ranking that is said to change does, to exactly that; no other one does."""
    ada = person("ada")
    action = Action("edit", "paper", PAPER, {"title": OTHER, "summary": OTHER}, 1)
    found = effects.of(proposed(ada, action), ada)
    assert found.queries
    assert PAPER in {ranking.name for ranking in found.neighbours}
    texts = effects.known_queries()
    papers = {row.key: row for row in Paper.objects.all()}
    before = {ranking.name: top(texts[ranking.name]) for ranking in found.queries}
    near = {ranking.name: nearest(papers[ranking.name]) for ranking in found.neighbours}
    perform(action=action, by=ada, note="now")
    search.embed_stale()
    for ranking in found.queries:
        assert foreseen(before[ranking.name], ranking) == top(texts[ranking.name])
    for ranking in found.neighbours:
        assert foreseen(near[ranking.name], ranking) == nearest(papers[ranking.name])


def test_placements_lift_papers_and_that_is_foreseen() -> None:
    ada = person("ada")
    fields = {"select": {"risk": "sycophancy"}, "set": {"risk": "deepfake"}}
    action = Action("bulk", "placement", "", fields)
    found = effects.of(proposed(ada, action), ada)
    texts = effects.known_queries()
    before = {ranking.name: top(texts[ranking.name]) for ranking in found.queries}
    assert before
    perform(action=action, by=ada, note="now")
    for ranking in found.queries:
        assert foreseen(before[ranking.name], ranking) == top(texts[ranking.name])


def test_a_risk_under_another_name_changes_what_its_queries_find() -> None:
    ada = person("ada")
    merge = Action("merge", "risk", "sycophancy", {"into": "deepfake"}, 1)
    found = effects.of(proposed(ada, merge), ada)
    texts = effects.known_queries()
    before = {ranking.name: top(texts[ranking.name]) for ranking in found.queries}
    perform(action=merge, by=ada, note="now")
    for ranking in found.queries:
        assert foreseen(before[ranking.name], ranking) == top(texts[ranking.name])


def test_what_search_does_not_read_has_no_effect() -> None:
    ada = person("ada")
    found = effects.of(proposed(ada, Action("edit", "risk", "deepfake", {"harm": "x"}, 1)), ada)
    assert (found.neighbours, found.queries, found.queries_looked_at) == ([], [], 0)


def test_the_cost_is_bounded_and_others_search_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the set, so many rankings; the live index is left as it was."""
    monkeypatch.setattr(effects, "MOST", 3)
    ada = person("ada")
    keys = Paper.objects.exclude(summary="").values_list("key", flat=True)[:5]
    edits = [Action("edit", "paper", key, {"summary": OTHER}, 1) for key in keys]
    changeset = proposed(ada, *edits)
    live = top("watermark")
    effects.of(changeset, ada)  # the queries are embedded once
    with CaptureQueriesContext(connection) as queries:
        found = effects.of(changeset, ada)
    assert found.left_out == 2
    assert found.queries_looked_at == 40
    assert 3 < found.papers_looked_at <= 200
    assert len(queries) < 40 * 2 * 8 + 150
    assert top("watermark") == live
    assert not Paper.objects.filter(summary=OTHER).exists()


def test_the_page_and_the_api_say_it_to_those_who_may_propose(client: Client) -> None:
    ada = person("ada")
    found = proposed(ada, Action("edit", "paper", PAPER, {"title": OTHER, "summary": OTHER}, 1))
    page, api = f"/changesets/{found.pk}/effect/", f"/api/v1/changesets/{found.pk}/effect/"
    assert client.get(page).status_code == 302
    assert client.get(api).status_code == 401
    client.force_login(person("rea", "reader"))
    assert client.get(page).status_code == 403
    assert client.get(api).status_code == 403
    client.force_login(ada)
    part = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith("<h2>Effect on search")
    assert "known queries" in part
    said = client.get(api).json()
    assert {ranking["of"] for ranking in said["neighbours"]} >= {PAPER}
    assert said["queries_known"] == len(effects.known_queries())
    changesets.submit(changeset=found, by=ada)
    changesets.approve(changeset=found, by=(rhea := person("rhea", "reviewer")))
    changesets.publish(changeset=found, by=rhea)
    assert client.get(page).status_code == 409
    assert client.get(api).status_code == 409


def test_where_meaning_is_off_it_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def off() -> Any:
        raise search.EmbedderError("The package is missing.")

    ada = person("ada")
    found = proposed(ada, Action("edit", "paper", PAPER, {"summary": OTHER}, 1))
    for module in ("_supposed", "_effect"):
        monkeypatch.setattr(f"kb.search.{module}.embedder", off)
    client.force_login(ada)
    assert b"The package is missing" in client.get(f"/changesets/{found.pk}/effect/").content
    assert client.get(f"/api/v1/changesets/{found.pk}/effect/").status_code == 503


def test_a_removed_placement_is_supposed_away() -> None:
    placed = Placement.objects.filter(risk__slug="deepfake").first()
    assert placed is not None
    assert Risk.objects.filter(slug="deepfake").exists()
    world_then = search.suppose([], [placed.pk, 10**9], terms=False)
    assert world_then.placed[10**9] is None
    row = world_then.placed[placed.pk]
    assert row is not None
    assert row[:2] == ([placed.paper_id], "deepfake")


def test_the_vectors_of_the_known_queries_ship_whole() -> None:
    import numpy as np

    from kb.search import _effect
    from kb.search._embedder import PACKAGED, locate

    with np.load(_effect.QUERIES) as stored:
        assert str(stored["model"]) == locate(PACKAGED)[1]
        assert len(stored["digests"]) == len(stored["vectors"]) == len(effects.known_queries())
        lengths = np.linalg.norm(stored["vectors"].astype("f4"), axis=1)
    assert np.abs(lengths - 1).max() < 1e-2
