"""Loading papers, placements and vectors from ``fixtures/``: everything or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pghistory
from django.db import transaction
from django.utils import timezone

from evals.engine import organisms, registry
from evals.engine.records import BadRecord, stored
from evals.loading import load_runs
from taxonomy.fixtures import Finder, FixtureError, Row, check, digest, rows, sync
from taxonomy.loading import load_taxonomy
from taxonomy.models import Category, ChangeSet, Mitigation, Risk
from taxonomy.operations import publish_release

from .models import Decision, Paper, PaperRedirect, Placement, Proposal, Provenance

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
FACTS = ["title", "authors", "year", "venue", "arxiv_id", "doi", "url", "lists", "survey_cited"]
WRITTEN = ["tldr", "summary", "summary_basis", "status"]


def load_all(folder: Path = FIXTURES) -> dict[str, dict[str, int]] | None:
    """Load every fixture in one transaction, as one published change set and release.

    Returns counts for each kind of row, or None where these very files are loaded already.
    Raises FixtureError, naming file, line and reason; nothing is loaded then.
    """
    mark = digest([*folder.glob("**/*.jsonl"), *stored(folder / "runs")])
    latest = ChangeSet.objects.exclude(source_digest="").first()
    if latest and latest.source_digest == mark:
        return None
    with transaction.atomic(), pghistory.context(reason="fixtures loaded", source=mark):
        counts = load_taxonomy(folder)
        counts |= {"papers": load_papers(folder), "redirects": load_redirects(folder)}
        counts |= {"placements": load_placements(folder)}
        counts |= {"proposals": load_proposals(folder), "runnable": mark_runnable()}
        counts |= {"runs": _runs(folder / "runs")}
        ChangeSet.objects.create(
            title="Fixtures loaded",
            rationale="The curated corpus and taxonomy that ship with this version.",
            state=ChangeSet.State.PUBLISHED,
            source_digest=mark,
            published_at=timezone.now(),
        )
        publish_release(by=None, note="Loaded from the files that ship with this version.")
    return counts


def _runs(folder: Path) -> dict[str, int]:
    try:
        return load_runs(folder)
    except BadRecord as error:
        raise FixtureError(folder, 1, str(error)) from None


def load_papers(folder: Path) -> dict[str, int]:
    """Facts of every paper, plain words where they are written, summaries of curated ones."""
    written = {row["key"]: row for _, _, row in _curated(folder)}
    plain = dict(_plain_words(folder))
    found = []
    for path, line, row in [*_facts(folder), *_landmarks(folder)]:
        paper = _paper(row, written.get(row["key"], {}))
        paper.tldr = plain.get(row["key"], "")
        found.append(check(path, line, paper))
    elsewhere = _elsewhere()
    return sync([row for row in found if row.key not in elsewhere], "key", FACTS + WRITTEN)


def _elsewhere() -> dict[str, Paper]:
    """{key: paper} of keys that lead to a paper under another key by now.

    Curators merged the two, or took the paper in under another key before it shipped.
    """
    papers = {paper.pk: paper for paper in Paper.objects.defer("abstract", "search")}
    found = {f"arxiv:{p.arxiv_id}": p for p in papers.values() if p.arxiv_id}
    found |= {f"doi:{p.doi.lower()}": p for p in papers.values() if p.doi}
    moved = PaperRedirect.objects.values_list("old_key", "paper_id")
    found |= {old_key: papers[pk] for old_key, pk in moved}
    for paper in papers.values():
        found.pop(paper.key, None)
    return found


class PaperFinder(Finder):
    """Finds papers by key, also by one that a merge left behind."""

    def __init__(self) -> None:
        super().__init__(Paper, "key")
        elsewhere = _elsewhere()
        self.by_key |= elsewhere
        self.heirs |= {paper.pk for paper in elsewhere.values()}


def load_redirects(folder: Path) -> dict[str, int]:
    """Keys that a paper formerly had; what stood under one is that paper now.

    A row under an old key that a person has edited stays, for a curator to merge.
    """
    find, created, removed = PaperFinder(), 0, 0
    wanted = {old: (n, row) for _, n, row in _facts(folder) for old in row.get("formerly", [])}
    known = set(PaperRedirect.objects.values_list("old_key", flat=True))
    for old, (line, row) in wanted.items():
        paper = find(folder / "papers/facts.jsonl", line, row["key"])
        gone = Paper.objects.filter(key=old).first()
        if old in known or (gone and gone.version > 1):
            continue
        if gone:
            _hand_over(gone, paper)
            removed += 1
        PaperRedirect.objects.create(old_key=old, paper=paper)
        created += 1
    return {"created": created, "updated": 0, "removed": removed}


def _hand_over(gone: Paper, paper: Paper) -> None:
    """Give what people placed under one row to another that is the same paper; drop the row."""
    taken = {(p.risk_id, p.category_id) for p in paper.placements.all()}
    for placed in gone.placements.exclude(placed_by=None):
        if (placed.risk_id, placed.category_id) not in taken:
            placed.paper = paper
            placed.save(update_fields=["paper", "placed_at"])
    gone.delete()


def _facts(folder: Path) -> Iterator[tuple[Path, int, Row]]:
    path = folder / "papers/facts.jsonl"
    for line, row in rows(path, "key"):
        yield path, line, row


def _landmarks(folder: Path) -> Iterator[tuple[Path, int, Row]]:
    """Papers that the collected lists miss, carried by their curated row."""
    for path, line, row in _curated(folder):
        if "landmark" in row:
            yield path, line, {"key": row["key"], **row["landmark"]}


def _plain_words(folder: Path) -> Iterator[tuple[str, str]]:
    """(key, what the paper found in plain words), for curated papers and others."""
    path = folder / "papers/tldr.jsonl"
    for line, row in rows(path, "key") if path.exists() else ():
        if not row.get("tldr"):
            raise FixtureError(path, line, f"{row['key']} has no tldr")
        yield row["key"], row["tldr"]


def _curated(folder: Path) -> Iterator[tuple[Path, int, Row]]:
    seen: dict[str, str] = {}
    for path in sorted((folder / "papers").glob("curated-*.jsonl")):
        for line, row in rows(path, "key"):
            if row["key"] in seen:
                raise FixtureError(path, line, f"{row['key']} stands in {seen[row['key']]} too")
            seen[row["key"]] = path.name
            yield path, line, row


def _paper(row: Row, written: Row) -> Paper:
    return Paper(
        key=row["key"],
        title=row.get("title", ""),
        authors=row.get("authors", []),
        year=row.get("year", 0),
        venue=row.get("venue", ""),
        arxiv_id=row.get("arxiv_id", ""),
        doi=row.get("doi", ""),
        url=row.get("url", ""),
        lists=row.get("lists", []),
        survey_cited=row.get("survey_cited"),
        summary=written.get("summary", ""),
        summary_basis=written.get("basis", ""),
        status=Provenance.CURATED if written else Provenance.SUGGESTED,
    )


def load_placements(folder: Path) -> dict[str, int]:
    """Curated placements where a paper has them, else the suggested one.

    A placement that a person made or changed stays; the rest is made to match the files.
    """
    wanted = _wanted_placements(folder)
    known = {_place(p): p for p in Placement.objects.filter(placed_by=None)}
    by_hand = {_place(p) for p in Placement.objects.exclude(placed_by=None)}
    gone = [placed.pk for place, placed in known.items() if place not in wanted]
    Placement.objects.filter(pk__in=gone).delete()
    new = [p for place, p in wanted.items() if place not in known and place not in by_hand]
    Placement.objects.bulk_create(new, batch_size=500)
    changed = [
        known[place]
        for place in wanted.keys() & known.keys()
        if _differ(known[place], wanted[place])
    ]
    Placement.objects.bulk_update(changed, ["kind", "origin", "evidence"], batch_size=500)
    return {"created": len(new), "updated": len(changed), "removed": len(gone)}


def _place(placed: Placement) -> tuple[int, int | None, int | None]:
    return placed.paper_id, placed.risk_id, placed.category_id


def _differ(old: Placement, new: Placement) -> bool:
    """Copy the new role onto the old row; tell whether anything changed."""
    before = (old.kind, old.origin, old.evidence)
    old.kind, old.origin, old.evidence = new.kind, new.origin, new.evidence
    return before != (new.kind, new.origin, new.evidence)


def _wanted_placements(folder: Path) -> dict[tuple[int, int | None, int | None], Placement]:
    find = {"risk": Finder(Risk), "category": Finder(Category)}
    paper = PaperFinder()
    wanted: dict[tuple[int, int | None, int | None], Placement] = {}
    curated = set()
    heirs = (find["risk"].heirs, paper.heirs)
    for path, line, row in _curated(folder):
        curated.add(row["key"])
        for given in row.get("placements", []):
            what = "risk" if "risk" in given else "category"
            target = {what: find[what](path, line, given.get(what))}
            placed = Placement(
                paper=paper(path, line, row["key"]),
                kind=given.get("kind", ""),
                origin=Provenance.CURATED,
                evidence=given.get("reason", ""),
                **target,
            )
            _add(wanted, path, line, placed, heirs)
    curated |= _decided()
    for path, line, row in _facts(folder):
        if row["key"] not in curated:
            placed = _suggestion(path, line, row, find, paper)
            _add(wanted, path, line, placed, heirs)
    return wanted


def _decided() -> set[str]:
    """Papers of which curators took or refused what was suggested: it does not come back."""
    found = Decision.objects.exclude(verdict=Decision.Verdict.SKIPPED)
    by_hand = Placement.objects.exclude(placed_by=None).filter(origin=Provenance.CURATED)
    keys = "paper__key"
    return {*found.values_list(keys, flat=True), *by_hand.values_list(keys, flat=True)}


def _suggestion(path: Path, line: int, row: Row, find: dict[str, Any], paper: Any) -> Placement:
    given = row.get("suggested", {})
    what, _, name = given.get("target", "").partition(":")
    if what not in find:
        raise FixtureError(path, line, f"suggests neither a risk nor a category: {what!r}")
    return Placement(
        paper=paper(path, line, row["key"]),
        kind=given.get("kind", ""),
        origin=Provenance.SUGGESTED,
        evidence=given.get("basis", ""),
        **{what: find[what](path, line, name)},
    )


def _add(
    wanted: dict[tuple[int, int | None, int | None], Placement],
    path: Path,
    line: int,
    placed: Placement,
    heirs: tuple[set[int], set[int]],
) -> None:
    """``heirs`` are the risks and the papers that took over others."""
    check(path, line, placed)
    if _place(placed) in wanted:
        if placed.risk_id in heirs[0] or placed.paper_id in heirs[1]:
            return  # the files name two risks, or two papers, that are one by now
        raise FixtureError(path, line, f"places {placed.paper.key} at {placed.target} twice")
    wanted[_place(placed)] = placed


def load_proposals(folder: Path) -> dict[str, int]:
    """Which papers propose which mitigation."""
    path = folder / "mitigations/mitigations.jsonl"
    mitigation, paper = Finder(Mitigation), PaperFinder()
    known = {(row.paper_id, row.mitigation_id): row.pk for row in Proposal.objects.all()}
    wanted: dict[tuple[int, int], Proposal] = {}
    for line, row in rows(path):
        for key in row.get("papers", []):
            found = Proposal(
                paper=paper(path, line, key), mitigation=mitigation(path, line, row["slug"])
            )
            wanted[found.paper_id, found.mitigation_id] = found
        _check_claims(path, line, row, paper)
    new = [found for pair, found in wanted.items() if pair not in known]
    Proposal.objects.bulk_create(new)
    gone = [pk for pair, pk in known.items() if pair not in wanted]
    Proposal.objects.filter(pk__in=gone).delete()
    return {"created": len(new), "updated": 0, "removed": len(gone)}


def _check_claims(path: Path, line: int, row: Row, paper: Finder) -> None:
    """A claimed figure names a paper that we hold."""
    for given in row.get("risks", []):
        if claim := given.get("claim"):
            paper(path, line, claim.get("paper"))


def mark_runnable() -> dict[str, int]:
    """Give each mitigation that the engine implements, and has a victim for, its key."""
    names = [found.slug for found in registry.mitigations() if organisms.victims(found)]
    Mitigation.objects.exclude(slug__in=names).exclude(engine_key="").update(engine_key="")
    for mitigation in Mitigation.objects.filter(slug__in=names, engine_key=""):
        mitigation.engine_key = mitigation.slug
        mitigation.save(update_fields=["engine_key"])
    return {"created": 0, "updated": 0, "kept": len(names)}
