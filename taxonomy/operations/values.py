"""Between rows and plain values: encode for JSON, decode with clear errors, find rows."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models

from taxonomy import kinds
from taxonomy.kinds import Kind
from taxonomy.models import FrameworkEntry, Stage

from .errors import Invalid, Missing

MOST_LISTED = 200


def kind_of(name: str) -> Kind:
    """The kind of that name; raises Missing."""
    try:
        return kinds.get(name)
    except KeyError:
        known = ", ".join(kinds.KINDS)
        raise Missing(f"There is no kind {name[:40]!r}. One of: {known}.") from None


def name_of(row: models.Model) -> str:
    """How a row is named in plain values."""
    if isinstance(row, FrameworkEntry):
        return f"{row.framework.slug}:{row.ident}"
    if isinstance(row, get_user_model()):
        return row.get_username()
    if isinstance(row, Stage):
        return row.slug
    kind = kinds.of(type(row))
    return str(getattr(row, kind.key if kind else "pk"))


def named(model: type[models.Model], name: Any) -> models.Model:
    """The row of ``model`` that a plain value names; raises Missing, with the nearest name."""
    label = model._meta.verbose_name
    if not isinstance(name, str | int) or isinstance(name, bool) or "\0" in str(name):
        raise Missing(f"A {label} is named by a text, not by {str(name)[:80]!r}.")
    found = model._default_manager.filter(**_lookup(model, str(name))).first()
    if found is None:
        raise Missing(f"No {label} is called {str(name)[:80]!r}.{_near(model, str(name))}")
    return found


def _moved(kind: Kind | None, name: str) -> str:
    """The name under which a merged row lives on, as a hint; empty where there is none."""
    onward = kind.onward(name) if kind else name
    return f" It was merged into {onward!r}." if onward != name else ""


def _lookup(model: type[models.Model], name: str) -> dict[str, Any]:
    if model is FrameworkEntry:
        framework, _, ident = name.partition(":")
        return {"framework__slug": framework, "ident": ident}
    if model is get_user_model():
        return {"username": name}
    if model is Stage:
        return {"slug": name}
    kind = kinds.of(model)
    key = kind.key if kind else "pk"
    if key == "pk" and not (name.isdecimal() and len(name) < 19):
        return {"pk": -1}
    return {key: name}


def _near(model: type[models.Model], name: str) -> str:
    kind = kinds.of(model)
    if kind is None or kind.key != "slug":
        return _moved(kind, name)
    slugs = list(model._default_manager.values_list("slug", flat=True)[:1000])
    near = get_close_matches(name, slugs, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def find(kind: Kind, key: str, lock: bool = False) -> Any:
    """The row that ``key`` names, locked if asked; raises Missing."""
    manager = kind.model._default_manager
    if lock:
        row = named(kind.model, key)
        return manager.select_for_update(of=("self",)).get(pk=row.pk)
    return named(kind.model, key)


def encode(row: models.Model, name: str) -> Any:
    """The plain value of a field."""
    field = row._meta.get_field(name)
    if field.many_to_many:
        return sorted(name_of(one) for one in getattr(row, name).all())
    value = getattr(row, name)
    return name_of(value) if isinstance(value, models.Model) else value


def encoded(row: models.Model, names: Any) -> dict[str, Any]:
    """Plain values of several fields."""
    return {name: encode(row, name) for name in names}


def decode(kind: Kind, fields: dict[str, Any], allowed: tuple[str, ...]) -> dict[str, Any]:
    """Values that the model takes; raises Invalid, naming every field that is wrong."""
    errors: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in allowed:
            errors[name[:80]] = [f"Not a field that can be set. Known: {', '.join(allowed)}."]
            continue
        try:
            found[name] = _decoded(kind.model, name, value)
        except (Missing, ValidationError) as error:
            texts = error.messages if isinstance(error, ValidationError) else [str(error)]
            errors[name] = texts
    if errors:
        raise Invalid(errors)
    return found


def _decoded(model: type[models.Model], name: str, value: Any) -> Any:
    field: Any = model._meta.get_field(name)
    if field.many_to_many:
        if not value and not field.blank:
            raise ValidationError("Choose at least one.")
        return [named(field.related_model, one) for one in _listed(value)]
    if field.is_relation:
        return None if value in (None, "") else named(field.related_model, value)
    if isinstance(value, str) and "\0" in value:
        raise ValidationError("Take the NUL character out.")
    if hasattr(field, "base_field"):
        return [field.base_field.clean(one, None) for one in _listed(value)]
    if isinstance(field, models.CharField | models.TextField) and not isinstance(value, str):
        raise ValidationError("Give a text.")
    if value is None and field.null:
        return None
    return field.to_python(value)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_LISTED:
        raise ValidationError(f"Give a list of at most {MOST_LISTED}.")
    return value


def related(kind: Kind, name: str) -> type[models.Model] | None:
    """The model a field points at, if any."""
    try:
        return kind.model._meta.get_field(name).related_model
    except FieldDoesNotExist:
        return None
