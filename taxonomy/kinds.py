"""What curation may change: each kind of row, its fields, and how a row is named.

Rows are named by words, not by numbers: a slug, a paper's key, a framework's entry as
``framework:entry``. Rows without a name of their own (placements, mappings, answers) are
named by their number. The reading room registers its own kinds, papers and placements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models

from .models import Category, Direction, Mapping, Mitigation, Risk, RiskMitigation, Status

Row = Any


def nothing(rows: list[int]) -> None:
    """What follows a change of most kinds."""


def stays(name: str) -> str:
    """Most rows keep their name for ever."""
    return name


def heir_of(slug: str) -> str:
    """The risk at the end of the merges of one."""
    found = Risk.objects.filter(slug=slug).first()
    return found.heir().slug if found else slug


@dataclass(frozen=True)
class Kind:
    """A kind of row that people change.

    ``editable`` can be set by a form, ``first`` only when a row is made, ``inner`` only by
    operations. ``actor`` names who made the row. ``after`` gets the ids of changed rows once
    the transaction has been committed. ``onward`` gives the name that a row goes by after
    merges, ``merge`` performs one where a kind has its own way.
    """

    name: str
    model: type[models.Model]
    editable: tuple[str, ...]
    first: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    key: str = "slug"
    actor: str = ""
    removable: bool = False
    after: Callable[[list[int]], None] = nothing
    onward: Callable[[str], str] = stays
    merge: Callable[[Any, Any], None] | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that a change may touch."""
        return (*self.first, *self.editable, *self.inner)

    @property
    def versioned(self) -> bool:
        """Whether rows carry a version."""
        return any(field.name == "version" for field in self.model._meta.get_fields())

    @property
    def retirable(self) -> bool:
        """Whether rows can be retired and restored."""
        if "status" not in self.inner:
            return False
        field: Any = self.model._meta.get_field("status")
        return Status.RETIRED.value in dict(field.choices or ())


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Let curation change a kind of row."""
    KINDS[kind.name] = kind


def get(name: str) -> Kind:
    """The kind of that name; raises KeyError."""
    return KINDS[name]


def of(model: type[models.Model]) -> Kind | None:
    """The kind whose rows are of that model."""
    return next((kind for kind in KINDS.values() if kind.model is model), None)


def referring(model: type[models.Model]) -> list[tuple[Kind, str]]:
    """(kind, field) of everything that points at rows of ``model``, save itself."""
    return [
        (kind, name)
        for kind in KINDS.values()
        for name in kind.fields
        if kind.model is not model and kind.model._meta.get_field(name).related_model is model
    ]


register(
    Kind(
        "category",
        Category,
        editable=("name", "summary"),
        first=("slug", "stage", "parent", "origin"),
        inner=("position", "status"),
    )
)
register(
    Kind(
        "risk",
        Risk,
        editable=(
            "name",
            "definition",
            "category",
            "stages",
            "aliases",
            "attacker_needs",
            "harm",
        ),
        first=("slug",),
        inner=("status", "merged_into"),
        onward=heir_of,
    )
)
register(
    Kind(
        "mitigation",
        Mitigation,
        editable=("name", "definition", "stages", "cost"),
        first=("slug",),
        inner=("status",),
    )
)
register(
    Kind(
        "answer",
        RiskMitigation,
        editable=(
            "claim",
            "claim_value",
            "claim_unit",
            "claim_source",
            "grade",
            "grade_reason",
        ),
        first=("risk", "mitigation"),
        key="pk",
        removable=True,
    )
)
register(
    Kind(
        "mapping",
        Mapping,
        editable=("relation", "note"),
        first=("risk", "entry"),
        inner=("framework_version",),
        key="pk",
        actor="mapped_by",
        removable=True,
    )
)
register(
    Kind(
        "direction",
        Direction,
        editable=("name", "summary", "open_questions", "category", "risks"),
        first=("slug",),
        inner=("position", "status"),
    )
)
