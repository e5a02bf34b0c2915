"""Loading the taxonomy from ``fixtures/``: all of it or, at the first bad row, nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from django.db import transaction

from .fixtures import Finder, FixtureError, Row, check, copy, plain_rows, rows, sync
from .models import (
    Category,
    Direction,
    Framework,
    FrameworkEntry,
    Mapping,
    Mitigation,
    Risk,
    RiskMitigation,
    Stage,
)

Counts = dict[str, dict[str, int]]


@transaction.atomic
def load_taxonomy(folder: Path) -> Counts:
    """Load stages, categories, risks, directions, frameworks, mitigations, mappings.

    Rows edited by a person since the last load are left alone. Raises FixtureError
    (nothing is loaded then). Returns counts for each kind of row.
    """
    steps: dict[str, Callable[[Path], dict[str, int]]] = {
        "stages": _stages,
        "categories": _categories,
        "risks": _risks,
        "directions": _directions,
        "frameworks": _frameworks,
        "mappings": _mappings,
        "mitigations": _mitigations,
        "answers": _answers,
    }
    return {name: step(folder) for name, step in steps.items()}


def _stages(folder: Path) -> dict[str, int]:
    path = folder / "taxonomy/stages.jsonl"
    found = [check(path, line, Stage(**row)) for line, row in rows(path)]
    return sync(found, "slug", ["name", "position", "summary"])


def _categories(folder: Path) -> dict[str, int]:
    path = folder / "taxonomy/categories.jsonl"
    notes_path = folder / "taxonomy/category_notes.jsonl"
    notes = {row["slug"]: row.get("summary", "") for _, row in rows(notes_path)}
    stage = Finder(Stage)
    given = list(rows(path))
    found = [
        check(path, line, _category(row, stage(path, line, row.get("stage")), notes), ["parent"])
        for line, row in given
    ]
    counts = sync(found, "slug", ["name", "number", "stage", "origin", "summary", "position"])
    _hang_up(path, given)
    return counts


def _category(row: Row, stage: Stage, notes: dict[str, str]) -> Category:
    return Category(
        slug=row["slug"],
        name=row.get("name", ""),
        number=row.get("number", ""),
        stage=stage,
        origin=row.get("origin", ""),
        summary=notes.get(row["slug"], ""),
        position=row.get("position", 0),
    )


def _hang_up(path: Path, given: list[tuple[int, Row]]) -> None:
    """Set the parents, once every node exists."""
    category = Finder(Category)
    moved = []
    for line, row in given:
        node = category(path, line, row["slug"])
        parent = category(path, line, row["parent"]) if row.get("parent") else None
        if node.version == 1 and node.parent_id != (parent and parent.pk):
            node.parent = parent
            moved.append(node)
    Category.objects.bulk_update(moved, ["parent"])


def _risks(folder: Path) -> dict[str, int]:
    path = folder / "taxonomy/risks.jsonl"
    category, stage = Finder(Category), Finder(Stage)
    found, stages = [], {}
    for line, row in rows(path):
        stages[row["slug"]] = [stage(path, line, slug) for slug in row.get("stages", [])]
        risk = Risk(
            slug=row["slug"],
            name=row.get("name", ""),
            definition=row.get("definition", ""),
            category=category(path, line, row.get("category")),
            aliases=row.get("aliases", []),
            attacker_needs=row.get("attacker_needs", ""),
            harm=row.get("harm", ""),
        )
        found.append(check(path, line, risk))
    fields = ["name", "definition", "category", "aliases", "attacker_needs", "harm"]
    counts = sync(found, "slug", fields)
    for risk in Risk.objects.filter(version=1).prefetch_related("stages"):
        _set_many(risk.stages, stages.get(risk.slug))
    return counts


def _set_many(manager: object, wanted: list[object] | None) -> None:
    """Set a many-to-many relation where it differs; ``None`` leaves it."""
    if wanted is not None and set(manager.all()) != set(wanted):  # type: ignore[attr-defined]
        manager.set(wanted)  # type: ignore[attr-defined]


def _directions(folder: Path) -> dict[str, int]:
    path = folder / "taxonomy/directions.jsonl"
    category, risk = Finder(Category), Finder(Risk)
    found, risks = [], {}
    for place, (line, row) in enumerate(rows(path), start=1):
        risks[row["slug"]] = [risk(path, line, slug) for slug in row.get("risks", [])]
        direction = Direction(
            slug=row["slug"],
            name=row.get("name", ""),
            summary=row.get("summary", ""),
            category=category(path, line, row.get("category")),
            open_questions=row.get("open_questions", []),
            position=place,
        )
        found.append(check(path, line, direction))
    counts = sync(found, "slug", ["name", "summary", "category", "open_questions", "position"])
    for direction in Direction.objects.filter(version=1).prefetch_related("risks"):
        _set_many(direction.risks, risks.get(direction.slug))
    return counts


def _frameworks(folder: Path) -> dict[str, int]:
    path = folder / "frameworks/frameworks.jsonl"
    found = [check(path, line, Framework(**row)) for line, row in rows(path)]
    counts = sync(found, "slug", ["name", "version", "publisher", "url"])
    path = folder / "frameworks/entries.jsonl"
    framework = Finder(Framework)
    known = set(FrameworkEntry.objects.values_list("framework__slug", "ident"))
    new = [
        check(path, line, _entry(row, framework(path, line, row.get("framework"))))
        for line, row in plain_rows(path)
        if (row.get("framework"), row.get("id")) not in known
    ]
    FrameworkEntry.objects.bulk_create(new)
    return {**counts, "created": counts["created"] + len(new)}


def _entry(row: Row, framework: Framework) -> FrameworkEntry:
    return FrameworkEntry(
        framework=framework,
        kind=row.get("kind", ""),
        ident=row.get("id", ""),
        name=row.get("name", ""),
        parent_ident=row.get("parent") or "",
        url=row.get("url") or "",
    )


def _mappings(folder: Path) -> dict[str, int]:
    """Mappings as the files have them; one that names who mapped it is left alone."""
    wanted = {(given.risk_id, given.entry_id): given for given in _given_mappings(folder)}
    known = {(row.risk_id, row.entry_id): row for row in Mapping.objects.all()}
    untouched = {pair: row for pair, row in known.items() if row.mapped_by_id is None}
    new = [given for pair, given in wanted.items() if pair not in known]
    Mapping.objects.bulk_create(new)
    fields = ["relation", "note", "framework_version"]
    both = wanted.keys() & untouched.keys()
    changed = [untouched[pair] for pair in both if copy(wanted[pair], untouched[pair], fields)]
    Mapping.objects.bulk_update(changed, fields)
    gone = [row.pk for pair, row in untouched.items() if pair not in wanted]
    Mapping.objects.filter(pk__in=gone).delete()
    return {"created": len(new), "updated": len(changed), "removed": len(gone)}


def _given_mappings(folder: Path) -> Iterator[Mapping]:
    path = folder / "frameworks/mappings.jsonl"
    risk = Finder(Risk)
    entries = {
        (entry.framework.slug, entry.ident): entry
        for entry in FrameworkEntry.objects.select_related("framework")
    }
    for line, row in plain_rows(path):
        entry = entries.get((row.get("framework", ""), row.get("entry", "")))
        if entry is None:
            raise FixtureError(path, line, f"unknown entry {row.get('entry')!r}")
        mapping = Mapping(
            risk=risk(path, line, row.get("risk")),
            entry=entry,
            relation=row.get("relation", ""),
            note=row.get("note", ""),
            framework_version=row.get("version", ""),
        )
        yield check(path, line, mapping)


def _mitigations(folder: Path) -> dict[str, int]:
    path = folder / "mitigations/mitigations.jsonl"
    stage = Finder(Stage)
    found, stages = [], {}
    for line, row in rows(path):
        stages[row["slug"]] = [stage(path, line, slug) for slug in row.get("stages", [])]
        mitigation = Mitigation(
            slug=row["slug"],
            name=row.get("name", ""),
            definition=row.get("definition", ""),
            cost=row.get("cost", ""),
        )
        found.append(check(path, line, mitigation))
    counts = sync(found, "slug", ["name", "definition", "cost"])
    for mitigation in Mitigation.objects.filter(version=1).prefetch_related("stages"):
        _set_many(mitigation.stages, stages.get(mitigation.slug))
    return counts


def _answers(folder: Path) -> dict[str, int]:
    path = folder / "mitigations/mitigations.jsonl"
    wanted = {(given.risk_id, given.mitigation_id): given for given in _given_answers(path)}
    known = {(row.risk_id, row.mitigation_id): row for row in RiskMitigation.objects.all()}
    untouched = {pair: row for pair, row in known.items() if row.version == 1}
    new = [given for pair, given in wanted.items() if pair not in known]
    RiskMitigation.objects.bulk_create(new)
    fields = ["claim", "claim_value", "claim_unit", "claim_source", "grade"]
    both = wanted.keys() & untouched.keys()
    changed = [untouched[pair] for pair in both if copy(wanted[pair], untouched[pair], fields)]
    RiskMitigation.objects.bulk_update(changed, fields)
    gone = [row.pk for pair, row in untouched.items() if pair not in wanted]
    RiskMitigation.objects.filter(pk__in=gone).delete()
    return {"created": len(new), "updated": len(changed), "removed": len(gone)}


def _given_answers(path: Path) -> Iterator[RiskMitigation]:
    mitigation, risk = Finder(Mitigation), Finder(Risk)
    for line, row in rows(path):
        for given in row.get("risks", []):
            claim = given.get("claim") or {}
            answer = RiskMitigation(
                risk=risk(path, line, given.get("risk")),
                mitigation=mitigation(path, line, row["slug"]),
                claim=claim.get("text", ""),
                claim_value=claim.get("value"),
                claim_unit=claim.get("unit", ""),
                claim_source=claim.get("paper", ""),
                grade="claimed" if claim else "not-run",
            )
            yield check(path, line, answer)
