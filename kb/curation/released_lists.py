"""Lists as a release had them: its stages, risks, mitigations, directions and papers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kb.filters import unknown
from kb.models import Kind
from taxonomy import releases
from taxonomy.models import Release

from .released import PARTS, Row

Parts = dict[str, list[Row]]
# What each list can be narrowed by.
NARROWED = {"paper": ("stage", "category", "risk", "kind", "q"), "mitigation": ("stage",)}
NEEDED = {
    "stage": ("stages", "categories", "risks", "placements"),
    "risk": ("stages", "categories", "risks", "placements", "answers"),
    "mitigation": ("stages", "mitigations", "answers"),
    "direction": ("directions",),
    "paper": ("papers", "placements", "risks", "categories", "stages"),
}


class Unknown(ValueError):
    """A value to narrow by that the release does not have; ``name`` is the parameter."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(said)
        self.name = name


@dataclass(frozen=True)
class Line:
    """One row of a list: where it leads, its name, a sentence, counts, its group."""

    kind: str
    key: str
    name: str
    text: str = ""
    facts: list[str] = field(default_factory=list)
    group: str = ""


def rows(found: Release, kind: str, asked: Mapping[str, str]) -> list[Row]:
    """The rows of a kind as the snapshot holds them, narrowed; raises Unknown."""
    beside = NEEDED[kind] if any(asked.get(name) for name in NARROWED.get(kind, ())) else ()
    return _narrowed(releases.parts(found, PARTS[kind], *beside), kind, asked)


def lines(found: Release, kind: str, asked: Mapping[str, str]) -> list[Line]:
    """The rows of a kind for a page, retired ones left out; raises Unknown."""
    # The first releases did not record all parts yet.
    parts: Parts = {part: [] for part in NEEDED[kind]}
    parts |= releases.parts(found, *NEEDED[kind])
    kept = _narrowed(parts, kind, asked)
    if kind != "paper":
        kept = [one for one in kept if one.get("status", "active") == "active"]
    return SHOWN[kind](parts, kept)


def _narrowed(parts: Parts, kind: str, asked: Mapping[str, str]) -> list[Row]:
    own = parts.get(PARTS[kind], [])
    wanted = {name: asked[name] for name in NARROWED.get(kind, ()) if asked.get(name)}
    for name in wanted.keys() & {"stage", "category", "risk", "kind"}:
        known = [one["slug"] for one in parts[PARTS[name]]] if name in PARTS else Kind.values
        if wanted[name] not in known:
            raise Unknown(name, unknown(wanted[name], known))
    if kind == "mitigation" and wanted:
        return [one for one in own if wanted["stage"] in one["stages"]]
    return _papers_narrowed(parts, own, wanted) if kind == "paper" and wanted else own


def _papers_narrowed(parts: Parts, own: list[Row], wanted: dict[str, str]) -> list[Row]:
    """Papers with one placement that fulfils all that is asked, and every word of ``q``."""
    words = wanted.pop("q", "").casefold().split()
    if wanted:
        places = _places(parts)
        kept = {
            one["paper"]
            for one, place in zip(parts.get("placements", []), places, strict=True)
            if all(value in place[name] for name, value in wanted.items())
        }
        own = [one for one in own if one["key"] in kept]
    return [one for one in own if _holds(one, words)] if words else own


def _holds(one: Row, words: list[str]) -> bool:
    told = [one["key"], one["title"], one.get("tldr", ""), one["summary"], *one["authors"]]
    text = " ".join(told).casefold()
    return all(word in text for word in words)


def _places(parts: Parts) -> list[dict[str, set[str]]]:
    """Of each placement its kind, risk, categories (with those above) and stage."""
    above = _above(parts)
    stage_of = {one["slug"]: one["stage"] for one in parts.get("categories", [])}
    under = {one["slug"]: one["category"] for one in parts.get("risks", [])}
    found = []
    for one in parts.get("placements", []):
        node = one["category"] or under.get(one["risk"], "")
        place = {"kind": {one["kind"]}, "risk": {one["risk"] or ""}}
        found.append(place | {"category": above.get(node, set()), "stage": {stage_of.get(node)}})
    return found


def _above(parts: Parts) -> dict[str, set[str]]:
    """{category: it and all above it}."""
    parent = {one["slug"]: one["parent"] for one in parts.get("categories", [])}
    found = {}
    for slug in parent:
        line, node = {slug}, parent[slug]
        while node and node not in line:
            line.add(node)
            node = parent.get(node)
        found[slug] = line
    return found


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _stages(parts: Parts, kept: list[Row]) -> list[Line]:
    placed, risks = defaultdict[str, set[str]](set), defaultdict[str, int](int)
    for one, place in zip(parts["placements"], _places(parts), strict=True):
        for stage in place["stage"]:
            placed[stage].add(one["paper"])
    stage_of = {one["slug"]: one["stage"] for one in parts["categories"]}
    for one in parts["risks"]:
        risks[stage_of[one["category"]]] += one["status"] == "active"
    return [
        Line("stage", one["slug"], one["name"], one["summary"],
             [_count(len(placed[one["slug"]]), "paper"), _count(risks[one["slug"]], "risk")])
        for one in sorted(kept, key=lambda one: one["position"])
    ]  # fmt: skip


def _risks(parts: Parts, kept: list[Row]) -> list[Line]:
    placed, answered = defaultdict[str, set[str]](set), defaultdict[str, int](int)
    for one in parts["placements"]:
        placed[one["risk"]].add(one["paper"])
    for one in parts["answers"]:
        answered[one["risk"]] += 1
    order = [one["slug"] for one in sorted(parts["stages"], key=lambda one: one["position"])]
    names = {one["slug"]: one["name"] for one in parts["stages"]}
    stage_of = {one["slug"]: one["stage"] for one in parts["categories"]}
    kept = sorted(kept, key=lambda one: (order.index(stage_of[one["category"]]), one["name"]))
    return [
        Line("risk", one["slug"], one["name"], one["definition"],
             [_count(len(placed[one["slug"]]), "paper"),
              _count(answered[one["slug"]], "mitigation")],
             names[stage_of[one["category"]]])
        for one in kept
    ]  # fmt: skip


def _mitigations(parts: Parts, kept: list[Row]) -> list[Line]:
    answers = defaultdict[str, int](int)
    for one in parts["answers"]:
        answers[one["mitigation"]] += 1
    names = {one["slug"]: one["name"] for one in parts["stages"]}
    return [
        Line("mitigation", one["slug"], one["name"], one["definition"],
             [", ".join(names.get(slug, slug) for slug in one["stages"]),
              f"answers {_count(answers[one['slug']], 'risk')}"])
        for one in sorted(kept, key=lambda one: one["name"])
    ]  # fmt: skip


def _directions(parts: Parts, kept: list[Row]) -> list[Line]:
    return [
        Line("direction", one["slug"], one["name"], one["summary"],
             [_count(len(one["risks"]), "risk"),
              _count(len(one["open_questions"]), "open question")])
        for one in sorted(kept, key=lambda one: one["position"])
    ]  # fmt: skip


def _papers(parts: Parts, kept: list[Row]) -> list[Line]:
    names = {one["slug"]: one["name"] for part in ("risks", "categories") for one in parts[part]}
    placed = defaultdict[str, list[str]](list)
    for one in parts["placements"]:
        where = names.get(one["risk"] or one["category"], "")
        placed[one["paper"]].append(f"{one['kind']} under {where}")
    return [
        Line("paper", one["key"], one["title"], one.get("tldr") or one["summary"],
             [", ".join(one["authors"][:3]), str(one["year"]), *placed[one["key"]][:3]])
        for one in sorted(kept, key=lambda one: (-one["year"], one["key"]))
    ]  # fmt: skip


SHOWN: dict[str, Callable[[Parts, list[Row]], list[Line]]] = {
    "stage": _stages,
    "risk": _risks,
    "mitigation": _mitigations,
    "direction": _directions,
    "paper": _papers,
}
