"""Importing: what a row is found to be, nothing before confirmation, all of it undoable."""

from __future__ import annotations

import io
import json
from typing import Any
from unittest.mock import patch

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kb import search
from kb.harvest.arxiv import Unreachable
from kb.harvest.records import Record
from kb.imports import examining, lookup, operations, writing
from kb.imports.models import ImportRow, PaperImport
from kb.models import Embedding, Paper, PaperRedirect
from taxonomy.models import ChangeSet
from taxonomy.operations import (
    Action,
    Invalid,
    Missing,
    NotAllowed,
    RevertConflict,
    WrongState,
    perform,
)
from taxonomy.operations.revert import revert
from tests.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return person("ada")


def stage(by: User, text: str | bytes, name: str = "refs.bib", **more: Any) -> PaperImport:
    raw = text.encode() if isinstance(text, str) else text
    return operations.stage(stream=io.BytesIO(raw), name=name, by=by, **more)


def entry(title: str, **fields: str) -> str:
    lines = "".join(f" {name}={{{value}}}," for name, value in {"year": "2024", **fields}.items())
    return f"@misc{{k, title={{{title}}},{lines}}}\n"


def kinds(batch: PaperImport) -> list[str]:
    return list(batch.rows.order_by("number").values_list("status", flat=True))


NEW = entry("Quokkas are never poisoned by retrieval", author="Hana Quokka and Ada Kea")


def test_nothing_is_written_before_confirmation(ada: User) -> None:
    before = Paper.objects.count()
    batch = stage(ada, NEW)
    assert batch.state == PaperImport.State.READY
    assert kinds(batch) == ["new"]
    assert Paper.objects.count() == before
    counts = writing.confirm(batch=batch, by=ada, note="from a talk")
    assert counts == {"added": 1}
    paper = Paper.objects.get(key="quokkas-are-never-poisoned-by-retrieval")
    assert paper.authors == ["Hana Quokka", "Ada Kea"]
    assert paper.extra["bibtex"]["id"] == "k"
    event = paper.events.get()  # type: ignore[attr-defined]
    assert event.pgh_context.metadata["user"] == ada.pk
    assert event.pgh_context.metadata["reason"] == "from a talk"


def test_a_confirmed_paper_is_found_at_once_by_meaning(ada: User) -> None:
    writing.confirm(batch=stage(ada, NEW), by=ada, note="")
    paper = Paper.objects.get(title__startswith="Quokkas are never")
    assert Embedding.objects.filter(paper=paper).exists()
    hits = search.rank("quokkas poisoned retrieval", Paper.objects.all()).hits
    assert paper.pk in [hit.paper_id for hit in hits]
    assert search.status()["stale"] == 0


def test_an_import_is_undone_as_a_whole_and_done_again(ada: User) -> None:
    batch = stage(ada, NEW + entry("A second quokka", author="B C"))
    writing.confirm(batch=batch, by=ada, note="")
    batch.refresh_from_db()
    assert batch.changeset is not None
    undone = revert(changeset=batch.changeset, by=ada, note="wrong file")
    assert not Paper.objects.filter(title__contains="quokka").exists()
    assert undone.changeset is not None
    revert(changeset=undone.changeset, by=ada, note="right after all")
    assert Paper.objects.filter(title__icontains="quokka").count() == 2


def test_many_papers_are_undone_and_done_again_in_few_statements(ada: User) -> None:
    """Thousands of rows cost a few statements for each part, not some for each row."""
    text = "".join(entry(f"Quokka number {n}", author=f"Hana No{n}") for n in range(60))
    with patch.object(operations, "AT_ONCE", 0):  # comparing by meaning is not asked for here
        batch = stage(ada, text)
    writing.confirm(batch=batch, by=ada, note="", unexamined=True)
    batch.refresh_from_db()
    assert batch.changeset is not None
    before = {p.pk: (p.title, p.authors) for p in Paper.objects.filter(title__startswith="Quokka")}
    first = Paper.objects.get(title="Quokka number 0")
    perform(action=Action("edit", "paper", first.key, {"venue": "ICQ"}, 2), by=ada, note="")
    with pytest.raises(RevertConflict) as caught:
        revert(changeset=batch.changeset, by=ada, note="")
    stuck = caught.value.stuck
    assert [(one.label, one.after, one.now) for one in stuck] == [
        (first.title, {"venue": ""}, {"venue": "ICQ"})
    ]
    with CaptureQueriesContext(connection) as queries:
        choices = {stuck[0].what: "keep"}
        undone = revert(changeset=batch.changeset, by=ada, note="", choices=choices)
    assert len(queries) < 60
    assert Paper.objects.filter(title__startswith="Quokka").get() == first
    events = apps.get_model("kb", "PaperEvent").objects.filter(title__startswith="Quokka")
    assert events.filter(pgh_label="delete").count() == 59
    assert undone.changeset is not None
    with CaptureQueriesContext(connection) as queries:
        revert(changeset=undone.changeset, by=ada, note="")
    assert len(queries) < 60
    after = {p.pk: (p.title, p.authors) for p in Paper.objects.filter(title__startswith="Quokka")}
    assert after == before


def test_undoing_says_what_was_placed_since(ada: User) -> None:
    from kb.models import Placement
    from taxonomy.models import Risk

    batch = stage(ada, NEW)
    writing.confirm(batch=batch, by=ada, note="")
    batch.refresh_from_db()
    paper = Paper.objects.get(title__startswith="Quokkas are never")
    Placement.objects.create(
        paper=paper, risk=Risk.objects.get(slug="deepfake"), kind="attack", origin="curated"
    )
    assert batch.changeset is not None
    with pytest.raises(RevertConflict) as caught:
        revert(changeset=batch.changeset, by=ada, note="")
    choice = {caught.value.stuck[0].what: "back"}
    done = revert(changeset=batch.changeset, by=ada, note="", choices=choice)
    assert not Paper.objects.filter(pk=paper.pk).exists()
    assert done.changeset is not None
    revert(changeset=done.changeset, by=ada, note="")
    assert Placement.objects.filter(paper_id=paper.pk).count() == 1


def test_duplicates_by_identifier_and_by_title(ada: User) -> None:
    known = Paper.objects.get(key="arxiv:2307.15043")
    text = (
        entry("Another title", eprint="2307.15043v2", archiveprefix="arXiv")
        + entry(f"{{{known.title.upper()}}}!")
        + entry("By its address", url="https://arxiv.org/abs/2307.15043")
        + entry("Wholly new", author="A B")
        + entry("Wholly {NEW}", author="A B")
    )
    batch = stage(ada, text)
    assert kinds(batch) == ["duplicate", "duplicate", "duplicate", "new", "duplicate"]
    rows = {row.number: row for row in batch.rows.all()}
    assert {rows[n].paper_id for n in (1, 2, 3)} == {known.pk}
    assert rows[5].same_row == 4
    assert writing.confirm(batch=batch, by=ada, note="") == {"added": 1, "left out": 4}


def test_a_merged_key_is_known(ada: User) -> None:
    known = Paper.objects.get(key="arxiv:2307.15043")
    PaperRedirect.objects.create(old_key="doi:10.1000/old", paper=known)
    batch = stage(ada, entry("Some other words", doi="10.1000/OLD"))
    # the DOI is not the paper's own, but its key once led here
    row = batch.rows.get()
    assert (row.status, row.paper) in [("linked", known), ("duplicate", known)]


def test_a_preprint_is_linked_to_its_published_version(ada: User) -> None:
    known = Paper.objects.filter(doi="", venue__startswith="arXiv").exclude(arxiv_id="").first()
    assert known is not None
    batch = stage(
        ada,
        f"@inproceedings{{x, title={{{known.title}}}, year={{{known.year}}}, "
        "booktitle={CCS}, doi={10.1000/ccs.7}, pages={1--9}}",
    )
    row = batch.rows.get()
    assert (row.status, row.choice, row.paper) == ("linked", "fill", known)
    assert "published version" in row.reason
    assert writing.confirm(batch=batch, by=ada, note="") == {"filled in": 1}
    key, arxiv = known.key, known.arxiv_id
    known.refresh_from_db()
    assert (known.key, known.arxiv_id, known.doi, known.venue) == (
        key,
        arxiv,
        "10.1000/ccs.7",
        "CCS",
    )
    assert known.extra["bibtex"]["fields"]["pages"] == "1--9"
    assert PaperRedirect.objects.get(old_key="doi:10.1000/ccs.7").paper == known
    batch.refresh_from_db()
    assert batch.changeset is not None
    revert(changeset=batch.changeset, by=ada, note="")
    known.refresh_from_db()
    assert known.doi == ""
    assert not PaperRedirect.objects.filter(old_key="doi:10.1000/ccs.7").exists()


def test_two_versions_in_one_file_become_one_paper(ada: User) -> None:
    title = "On the unusual resilience of quokkas under poisoning"
    text = entry(title, eprint="2406.99999", archiveprefix="arXiv")
    text += entry(title, doi="10.1000/q", journal="J. Quokkas")
    batch = stage(ada, text)
    assert kinds(batch) == ["new", "linked"]
    writing.confirm(batch=batch, by=ada, note="")
    paper = Paper.objects.get(arxiv_id="2406.99999")
    assert (paper.key, paper.doi, paper.venue) == (
        "arxiv:2406.99999",
        "10.1000/q",
        "J. Quokkas",
    )


def test_one_title_with_two_identifiers_is_only_perhaps_one_paper(ada: User) -> None:
    known = Paper.objects.get(key="arxiv:2307.15043")
    batch = stage(ada, entry(known.title, eprint="2501.00001", archiveprefix="arXiv"))
    row = batch.rows.get()
    assert (row.status, row.similarity, row.choice) == ("possible", 1.0, "skip")
    operations.choose(batch=batch, by=ada, choices={1: "add"})
    writing.confirm(batch=batch, by=ada, note="")
    assert Paper.objects.filter(title=known.title).count() == 2


def test_a_changed_title_is_a_possible_duplicate_by_meaning(ada: User) -> None:
    known = Paper.objects.exclude(summary="").order_by("key")[3]
    text = json.dumps(
        {"title": f"{known.title} again", "year": known.year, "abstract": known.summary}
    )
    row = stage(ada, text, "x.jsonl").rows.get()
    assert (row.status, row.paper) == ("possible", known)
    assert row.similarity is not None
    assert 0.9 < row.similarity <= 1


def test_invalid_rows_say_why_and_cannot_be_added(ada: User) -> None:
    text = entry("x" * 600) + "@misc{a, title={No year}}\n@misc{b, year=2020}\n@misc{c, title={"
    batch = stage(ada, text)
    assert kinds(batch) == ["invalid"] * 4
    said = list(batch.rows.values_list("reason", flat=True))
    assert "500" in said[0]
    assert said[1].startswith("There is no year")
    assert said[2].startswith("There is no title")
    assert "do not balance" in said[3]
    with pytest.raises(Invalid, match="invalid"):
        operations.choose(batch=batch, by=ada, choices={2: "add"})


def test_an_address_that_is_none_is_kept_with_the_unknown_fields(ada: User) -> None:
    writing.confirm(batch=stage(ada, entry("Odd address", url="see my page")), by=ada, note="")
    paper = Paper.objects.get(title="Odd address")
    assert (paper.url, paper.extra["url"]) == ("", "see my page")


@pytest.mark.parametrize("text", ["", "Dear all", "a,b\n", "# only a comment\n"])
def test_a_file_without_papers_is_refused(ada: User, text: str) -> None:
    with pytest.raises(Invalid):
        stage(ada, text, "x.txt")
    assert not PaperImport.objects.exists()


def test_what_came_in_meanwhile_is_not_added_twice(ada: User) -> None:
    first, second = stage(ada, NEW), stage(ada, NEW)
    writing.confirm(batch=first, by=ada, note="")
    assert writing.confirm(batch=second, by=ada, note="") == {"here already": 1}
    with pytest.raises(WrongState):
        writing.confirm(batch=second, by=ada, note="")
    with pytest.raises(WrongState):
        operations.drop(batch=second, by=ada)


def test_imports_are_for_curators_and_for_their_owner(ada: User) -> None:
    with pytest.raises(NotAllowed):
        stage(person("rea", "reader"), NEW)
    batch = stage(ada, NEW)
    with pytest.raises(Missing):
        operations.found(batch.pk, person("bo"))


def test_identifiers_are_looked_up(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(records: list[Record], *clients: object) -> list[Record]:
        return [
            Record(
                number=r.number,
                title=f"Quokka {r.arxiv_id}",
                arxiv_id=r.arxiv_id,
                year=2026,
                authors=("Hana Quokka",),
            )
            for r in records
        ]

    monkeypatch.setattr(examining, "looked_up", told)
    batch = stage(ada, "2601.00001\n2307.15043\n2601.00001\n", "ids.txt")
    assert kinds(batch) == ["new", "duplicate", "duplicate"]
    writing.confirm(batch=batch, by=ada, note="")
    assert Paper.objects.get(key="arxiv:2601.00001").title == "Quokka 2601.00001"


def test_where_arxiv_is_out_of_reach_the_row_says_so(
    ada: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    class Away:
        def entries(self, ids: list[str]) -> Any:
            raise Unreachable("arXiv cannot be reached: ConnectionError")

    monkeypatch.setattr(lookup, "Arxiv", Away)
    row = stage(ada, "2601.00001\n", "ids.txt").rows.get()
    assert (row.status, row.reason) == (
        "invalid",
        "arXiv cannot be reached: ConnectionError. Try again later.",
    )
    settings.HARVEST = False
    assert "switched off" in stage(ada, "2601.00002\n", "ids.txt").rows.get().reason


def test_many_rows_are_compared_by_the_worker(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from kb import tasks

    deferred: list[int] = []
    monkeypatch.setattr(tasks.examine, "defer", lambda pk: deferred.append(pk))
    text = "".join(entry(f"Quokka number {n} of many") for n in range(operations.AT_ONCE + 1))
    batch = stage(ada, text)
    assert deferred == [batch.pk]
    assert batch.state == PaperImport.State.EXAMINING
    with pytest.raises(WrongState, match="still being compared"):
        writing.confirm(batch=batch, by=ada, note="")
    tasks.examine(batch.pk)
    batch.refresh_from_db()
    assert batch.state == PaperImport.State.READY
    assert not batch.rows.filter(examined=False).exists()
    counts = writing.confirm(batch=batch, by=ada, note="")
    assert counts["added"] + counts["left out"] == operations.AT_ONCE + 1


def test_one_may_confirm_without_waiting(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from kb import tasks

    monkeypatch.setattr(tasks.examine, "defer", lambda pk: None)
    text = "".join(entry(f"Quokka number {n} of many") for n in range(operations.AT_ONCE + 1))
    batch = stage(ada, text)
    counts = writing.confirm(batch=batch, by=ada, note="", unexamined=True)
    assert counts == {"added": operations.AT_ONCE + 1}
    tasks.examine(batch.pk)  # the worker comes too late, and does nothing
    batch.refresh_from_db()
    assert batch.state == PaperImport.State.DONE


def test_old_previews_are_forgotten(ada: User) -> None:
    from datetime import timedelta

    from django.utils import timezone

    kept, old = stage(ada, NEW), stage(ada, NEW)
    long_ago = timezone.now() - timedelta(days=8)
    PaperImport.objects.filter(pk=old.pk).update(created_at=long_ago)
    assert operations.drop_old() >= 1
    assert list(PaperImport.objects.all()) == [kept]


def test_the_write_is_one_change_set_of_its_own(ada: User) -> None:
    batch = stage(ada, NEW + entry("One more quokka"))
    writing.confirm(batch=batch, by=ada, note="why")
    batch.refresh_from_db()
    made = ChangeSet.objects.get(pk=batch.changeset_id or 0)
    assert (made.author, made.rationale, made.direct) == (ada, "why", True)
    (item,) = made.items.all()
    assert [change["action"] for change in item.changes] == ["create", "create"]
    assert ImportRow.objects.filter(batch=batch).count() == 2


@pytest.mark.parametrize(
    ("title", "cosine", "authors", "perhaps"),
    [
        ("Universal Attacks on Aligned Language Models", 0.5, (), True),  # a subtitle went
        ("AdvX: Universal Attacks on Aligned Language Models: A Study", 0.5, (), True),
        ("Universal Attacks on Aligned Language Models", 0.3, (), False),
        ("Something else altogether about other things", 0.98, (), True),
        ("Something else altogether about other things", 0.9, (), False),
        ("Something else altogether about other things", 0.9, ("A B", "C D", "E F"), True),
        ("Something else altogether about other things", 0.9, ("A B", "C D"), False),
        ("Aligned Language Models", 0.5, (), False),  # so short that it may be part of any
    ],
)
def test_what_may_be_one_paper_under_two_titles(
    title: str, cosine: float, authors: tuple[str, ...], perhaps: bool
) -> None:
    known = Paper(
        title="Universal Attacks on Aligned Language Models: A Study",
        authors=["Ann B", "Carl D", "Eve F"],
    )
    verdict = examining.nearest(Record(title=title, authors=authors), [(known, cosine)])
    assert (verdict is not None) == perhaps
