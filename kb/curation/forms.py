"""Forms of curation, made from what each kind of row lets be changed.

Values go in and out as curation speaks of them: rows by their names, lists as lists.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.db import models

from kb.models import Paper
from taxonomy.kinds import Kind
from taxonomy.models import ChangeSet, FrameworkEntry, Status
from taxonomy.operations.values import name_of

LONG = {
    "attacker_needs",
    "claim",
    "cost",
    "definition",
    "evidence",
    "grade_reason",
    "harm",
    "note",
    "summary",
    "tldr",
}
LABELS = {
    "attacker_needs": "What it takes",
    "claim_source": "Key of the paper that claims it",
    "claim_unit": "Unit of the figure",
    "claim_value": "Figure",
    "claim": "What is claimed",
    "evidence": "Why it belongs here",
    "grade_reason": "Why this grade",
    "slug": "Name in addresses",
    "stages": "Stages",
    "summary_basis": "Summary written from",
    "tldr": "In plain words",
}
HELP = {
    "aliases": "One a line.",
    "authors": "One a line.",
    "open_questions": "One a line.",
    "tldr": "What was found, as one would tell a newcomer: no jargon, no acronyms.",
    "slug": "Small letters, digits and hyphens. It never changes.",
    "paper": "Key of the paper, such as arxiv:2307.15043.",
    "claim_source": "Such as arxiv:2307.15043.",
    "grade": "Set by hand, it needs the reason below. “Not run” without one follows the runs.",
    "grade_reason": "Readers see it beside the grade.",
}
NEW_SET = "new"


class Lines(forms.CharField):
    """A list, one entry a line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def validate(self, value: Any) -> None:
        """An empty list is fine; curation itself checks what is in it."""


class WhyForm(forms.Form):
    """The end of every form: why, and whether at once or into a change set."""

    note = forms.CharField(
        label="Why",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Stands in the history and, in a change set, before the reviewer.",
    )
    changeset = forms.ChoiceField(label="Save", required=False)

    def __init__(self, *args: Any, by: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(NEW_SET, "into a new change set")]
        for found in ChangeSet.objects.filter(author=by, state__in=ChangeSet.OPEN)[:20]:
            choices.append((str(found.pk), f"into “{found.title[:60]}”"))
        if by.has_perm("taxonomy.edit_live"):
            choices.insert(0, ("", "at once"))
        self.fields["changeset"].choices = choices  # type: ignore[attr-defined]
        self.order_fields([n for n in self.fields if n not in WhyForm.base_fields])


class RowForm(WhyForm):
    """A row's fields, by kind; ``names`` are those to be shown."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    back = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(
        self,
        *args: Any,
        kind: Kind,
        names: tuple[str, ...],
        now: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.names = names
        super().__init__(*args, **kwargs)
        for name in names:
            self.fields[name] = field_for(kind, name)
            _offer(self.fields[name], (now or {}).get(name))
        self.order_fields([*names, "note", "changeset", "version", "back"])

    def values(self) -> dict[str, Any]:
        """What was filled in, as curation speaks of it; browsers end lines in two characters."""
        given = {name: self.cleaned_data[name] for name in self.names}
        return {n: v.replace("\r\n", "\n") if isinstance(v, str) else v for n, v in given.items()}

    def kept(self) -> dict[str, Any]:
        """What stands in the form, half filled in or wrong as it may be: for a draft."""
        return {name: self[name].value() for name in self.names}


def field_for(kind: Kind, name: str) -> forms.Field:
    """The form field of a model's field."""
    field: Any = kind.model._meta.get_field(name)
    label = LABELS.get(name, str(field.verbose_name).capitalize())
    options: dict[str, Any] = {"label": label, "help_text": HELP.get(name, ""), "required": False}
    if field.is_relation:
        return _relation(field, options)
    if isinstance(field, ArrayField):
        return Lines(**options)
    if field.choices:
        empty = [("", "–")] if field.blank else []
        options["choices"] = empty + [c for c in field.choices if c[0]]
        return forms.ChoiceField(**options)
    if isinstance(field, models.IntegerField):
        return forms.IntegerField(**options)
    if isinstance(field, models.FloatField):
        return forms.FloatField(**options)
    if name in LONG:
        options["widget"] = forms.Textarea(attrs={"rows": 5})
    return forms.CharField(strip=True, max_length=getattr(field, "max_length", None), **options)


def _offer(field: forms.Field, now: Any) -> None:
    """Let a choice that stands now be kept, also where it has been retired since."""
    if isinstance(field, forms.ChoiceField) and now:
        offered: Any = list(field.choices)  # type: ignore[arg-type]
        known = {value for value, _ in offered}
        left = [one for one in (now if isinstance(now, list) else [now]) if one not in known]
        field.choices = [*offered, *((one, f"{one} (retired)") for one in left)]


def _relation(field: Any, options: dict[str, Any]) -> forms.Field:
    if field.related_model is Paper:
        return forms.CharField(**options)
    choices = choices_of(field.related_model)
    if field.many_to_many:
        options["widget"] = forms.CheckboxSelectMultiple
        return forms.MultipleChoiceField(choices=choices, **options)
    return forms.ChoiceField(choices=[("", "–"), *choices], **options)


def choices_of(model: type[models.Model]) -> list[tuple[str, str]]:
    """(name, label) of every active row of a model."""
    found: Any = model._default_manager.all()
    if model is FrameworkEntry:
        found = found.select_related("framework")
        return [(name_of(row), f"{row.framework.name}: {row}") for row in found]
    if any(f.name == "status" for f in model._meta.get_fields()):
        found = found.filter(status=Status.ACTIVE)
    return [(name_of(row), str(row)) for row in found]


class MoveForm(WhyForm):
    """Where a category goes."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    back = forms.CharField(widget=forms.HiddenInput, required=False)
    parent = forms.ChoiceField(required=False, label="Under")
    stage = forms.ChoiceField(required=False, label="Or at the top of")
    before = forms.ChoiceField(required=False, label="Before", help_text="Empty: at the end.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        from taxonomy.models import Category, Stage

        nodes = [("", "–"), *choices_of(Category)]
        for name, choices in (("parent", nodes), ("before", nodes)):
            self.fields[name].choices = choices  # type: ignore[attr-defined]
        self.fields["stage"].choices = [("", "–"), *choices_of(Stage)]  # type: ignore[attr-defined]
        self.order_fields(["parent", "stage", "before", "note", "changeset", "version"])

    def values(self) -> dict[str, Any]:
        """The fields of the move."""
        given = self.cleaned_data
        found: dict[str, Any] = {"parent": given["parent"] or None}
        if given["stage"] and not given["parent"]:
            found["stage"] = given["stage"]
        return {**found, "before": given["before"]} if given["before"] else found
