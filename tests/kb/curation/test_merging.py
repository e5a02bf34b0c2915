"""Two papers that are one: fields chosen, addresses kept, undone in any order."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from kb.models import Paper, PaperRedirect, Placement, Proposal
from taxonomy.models import ChangeSet, Mitigation, Risk
from taxonomy.operations import Action, Conflict, Invalid, Missing, Result, RevertConflict, perform
from taxonomy.operations.revert import revert
from tests.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return person("ada")


def paper(key: str, **fields: Any) -> Paper:
    return Paper.objects.create(key=key, title=fields.pop("title", key), year=2024, **fields)


def merge(by: User, gone: Paper, into: Paper, **fields: Any) -> Result:
    gone.refresh_from_db()
    action = Action("merge", "paper", gone.key, {"into": into.key, **fields}, gone.version)
    return perform(action=action, by=by, note="one paper")


def undo(by: User, done: Result) -> Result:
    assert isinstance(done.changeset, ChangeSet)
    return revert(changeset=done.changeset, by=by, note="two after all")


def place(of: Paper, slug: str, origin: str = "curated", kind: str = "attack") -> Placement:
    risk = Risk.objects.get(slug=slug)
    return Placement.objects.create(paper=of, risk=risk, kind=kind, origin=origin)


def state() -> list[Any]:
    """Everything that a merge may touch, save versions and who placed it."""
    papers = Paper.objects.filter(key__startswith="quokka").order_by("key")
    fields = ("pk", "key", "title", "doi", "arxiv_id", "authors", "lists", "status", "extra")
    return [
        list(papers.values_list(*fields)),
        sorted(
            Placement.objects.filter(paper__in=papers).values_list(
                "pk", "paper__key", "risk__slug", "kind", "origin"
            )
        ),
        sorted(Proposal.objects.filter(paper__in=papers).values_list("paper__key", "mitigation")),
        sorted(PaperRedirect.objects.values_list("old_key", "paper__key")),
    ]


def test_the_paper_that_stays_gets_everything(ada: User, client: Client) -> None:
    gone = paper(
        "quokka-a", doi="10.1000/q", authors=["A B"], lists=["one"], summary="S", status="curated"
    )
    stays = paper("quokka-b", arxiv_id="2601.00001", lists=["two"], venue="CCS")
    PaperRedirect.objects.create(old_key="quokka-older", paper=gone)
    place(gone, "deepfake")
    place(gone, "sycophancy", kind="benchmark")
    place(stays, "sycophancy", "suggested")
    Proposal.objects.create(paper=gone, mitigation=Mitigation.objects.get(slug="smoothllm"))
    before = state()
    done = merge(ada, gone, stays)
    stays.refresh_from_db()
    assert (stays.doi, stays.arxiv_id, stays.authors) == ("10.1000/q", "2601.00001", ["A B"])
    assert (stays.lists, stays.venue, stays.status) == (["one", "two"], "CCS", "curated")
    placed = sorted(stays.placements.values_list("risk__slug", "kind", "origin"))
    assert placed == [("deepfake", "attack", "curated"), ("sycophancy", "benchmark", "curated")]
    assert stays.proposals.count() == 1
    for old in ("quokka-a", "quokka-older"):
        assert client.get(f"/papers/{old}/")["Location"] == "/papers/quokka-b/"
        assert client.get(f"/api/v1/papers/{old}/").json()["key"] == "quokka-b"
    undo(ada, done)
    assert state() == before


def test_fields_may_be_chosen(ada: User) -> None:
    gone, stays = paper("quokka-a", title="The full title"), paper("quokka-b", title="Short")
    merge(ada, gone, stays, fields={"title": "The full title", "year": 2023})
    stays.refresh_from_db()
    assert (stays.title, stays.year) == ("The full title", 2023)


def test_merges_come_apart_in_any_order(ada: User) -> None:
    a, b, c = (paper(f"quokka-{name}") for name in "abc")
    place(a, "deepfake")
    place(b, "sycophancy")
    before = state()
    first = merge(ada, a, b)
    second = merge(ada, b, c)
    moved = PaperRedirect.objects.filter(old_key__startswith="quokka")
    assert dict(moved.values_list("old_key", "paper__key")) == {
        "quokka-a": "quokka-c",
        "quokka-b": "quokka-c",
    }
    undo(ada, first)
    assert Placement.objects.get(risk__slug="deepfake", paper__key="quokka-a")
    assert Placement.objects.get(risk__slug="sycophancy", paper__key="quokka-c")
    with pytest.raises(RevertConflict) as caught:  # what went home stays there
        undo(ada, second)
    assert isinstance(second.changeset, ChangeSet)
    choices = {stuck.what: "keep" for stuck in caught.value.stuck}
    revert(changeset=second.changeset, by=ada, note="", choices=choices)
    assert state() == before


def test_undoing_an_undone_merge_merges_again(ada: User) -> None:
    gone, stays = paper("quokka-a"), paper("quokka-b")
    place(gone, "deepfake")
    done = merge(ada, gone, stays)
    after = state()
    undo(ada, undo(ada, done))
    assert state()[0] == after[0]
    assert [row[1:] for row in state()[1]] == [row[1:] for row in after[1]]
    assert state()[3] == after[3]


def test_what_cannot_be_merged_says_why(ada: User) -> None:
    one, other = paper("quokka-a"), paper("quokka-b")
    with pytest.raises(Invalid, match="with itself"):
        merge(ada, one, one)
    with pytest.raises(Missing):
        perform(
            action=Action("merge", "paper", one.key, {"into": "nope"}, one.version),
            by=ada,
            note="",
        )
    with pytest.raises(Conflict):
        merge(ada, one, other, into_version=7)
    with pytest.raises(Invalid, match="no more"):
        merge(ada, one, other, title="x")
    merge(ada, one, other)
    with pytest.raises(Missing, match="merged into 'quokka-b'"):
        perform(action=Action("edit", "paper", "quokka-a", {"year": 2020}, 1), by=ada, note="")


def test_a_merge_can_be_proposed(ada: User) -> None:
    from taxonomy.operations import changesets

    gone, stays = paper("quokka-a"), paper("quokka-b")
    made = changesets.draft(by=ada, title="One paper")
    action = Action("merge", "paper", gone.key, {"into": stays.key}, gone.version)
    changesets.add(changeset=made, action=action, by=ada)
    preview = changesets.preview(changeset=made, by=ada)
    assert preview.clean
    assert Paper.objects.filter(key="quokka-a").exists()


def test_new_fixtures_leave_a_merge_alone(ada: User) -> None:
    from kb.loading import FIXTURES, load_papers, load_placements

    gone = Paper.objects.get(key="arxiv:2307.15043")
    stays = Paper.objects.get(key="arxiv:2310.03684")
    merge(ada, gone, stays)
    load_papers(FIXTURES)
    load_placements(FIXTURES)
    assert not Paper.objects.filter(key="arxiv:2307.15043").exists()


def test_the_known_pairs_are_one_each(client: Client) -> None:
    old = "traceback-of-poisoned-texts-in-poisoning-attacks-to-retrieval-augmented-generati"
    assert client.get(f"/papers/{old}/")["Location"] == "/papers/arxiv:2504.21668/"
    other = client.get("/papers/red-teaming-language-models-with-language-model/")
    assert other["Location"] == "/papers/arxiv:2202.03286/"
    kept = Paper.objects.get(key="arxiv:2504.21668")
    assert list(kept.placements.values_list("risk__slug", "kind", "origin")) == [
        ("rag-poisoning", "defense", "curated")
    ]
    assert len(kept.authors) == 7
    assert kept.summary
