"""Edits of structure: move, merge, split, retire, restore, remove, and many at once."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from kb.curation.forms import MoveForm, WhyForm, choices_of, field_for
from kb.curation.requests import current
from kb.curation.shown import changes_shown
from kb.models import Kind as PaperKind
from kb.models import Placement
from taxonomy.kinds import get
from taxonomy.models import Category, Mapping, Risk, RiskMitigation
from taxonomy.operations import Action, Conflict, Invalid, perform
from taxonomy.operations.actions import require

from .edits import add_errors, finish, where
from .refusals import refused

# The button that shows what would change, and writes nothing.
PREVIEW = "preview"


class ActForm(WhyForm):
    """An operation on a row, about the version that was read."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    back = forms.CharField(widget=forms.HiddenInput, required=False)


class MergeForm(ActForm):
    """Into which risk, and whose fields stay."""

    into = forms.ChoiceField(label="Merge into")

    def __init__(self, *args: Any, row: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = [choice for choice in choices_of(Risk) if choice[0] != row.slug]
        self.fields["into"].choices = [("", "–"), *others]  # type: ignore[attr-defined]
        for name in ("definition", "attacker_needs", "harm"):
            label = f"{field_for(get('risk'), name).label} from"
            sides = [("", "the risk that stays"), ("this", f"{row.name}")]
            self.fields[f"{name}_from"] = forms.ChoiceField(
                choices=sides, required=False, label=label
            )
        chosen = [f"{n}_from" for n in ("definition", "attacker_needs", "harm")]
        self.order_fields(["into", *chosen, "note", "changeset"])
        self.row = row

    def values(self) -> dict[str, Any]:
        """The fields of the merge."""
        taken = {
            name: getattr(self.row, name)
            for name in ("definition", "attacker_needs", "harm")
            if self.cleaned_data[f"{name}_from"]
        }
        return {"into": self.cleaned_data["into"], "fields": taken}


class SplitForm(ActForm):
    """The new risk, and what goes with it."""

    slug = forms.SlugField(max_length=80, label="Name in addresses of the new risk")
    name = forms.CharField(max_length=120, label="Its name")
    definition = forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), label="Its definition")
    papers = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Papers that go with it"
    )
    mitigations = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Mitigations that go with it"
    )
    mappings = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Mappings that go with it"
    )

    def __init__(self, *args: Any, row: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        placed = Placement.objects.filter(risk=row).select_related("paper")
        answers = RiskMitigation.objects.filter(risk=row).select_related("mitigation")
        mappings = Mapping.objects.filter(risk=row).select_related("entry__framework")
        offered = {
            "papers": [(p.paper.key, f"{p.paper.title} ({p.kind})") for p in placed[:500]],
            "mitigations": [(a.mitigation.slug, a.mitigation.name) for a in answers],
            "mappings": [(str(m.pk), f"{m.entry.framework.name}: {m.entry}") for m in mappings],
        }
        for name, choices in offered.items():
            self.fields[name].choices = choices  # type: ignore[attr-defined]
            if not choices:
                del self.fields[name]
        first = ["slug", "name", "definition", "papers", "mitigations", "mappings"]
        self.order_fields([*first, "note", "changeset"])

    def values(self) -> dict[str, Any]:
        """The fields of the split."""
        new = {name: self.cleaned_data[name] for name in ("slug", "name", "definition")}
        names = ("papers", "mitigations", "mappings")
        take = {n: self.cleaned_data[n] for n in names if self.cleaned_data.get(n)}
        return {"new": new, "take": take}


class PlainForm(ActForm):
    """Nothing to choose but why."""

    def __init__(self, *args: Any, row: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def values(self) -> dict[str, Any]:
        """No fields."""
        return {}


class Moving(MoveForm):
    """A move of a known row."""

    def __init__(self, *args: Any, row: Any, **kwargs: Any) -> None:
        first = {"parent": row.parent.slug if row.parent else "", "stage": row.stage.slug}
        kwargs["initial"] = {**first, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)


FORMS: dict[str, Any] = {
    "move": Moving,
    "merge": MergeForm,
    "split": SplitForm,
    "retire": PlainForm,
    "restore": PlainForm,
    "delete": PlainForm,
}
SAYS = {
    "move": "What stands under it goes with it.",
    "merge": "Its papers, answers and mappings go to the other; its address leads there.",
    "split": "A new risk is made, beside this one. What is not chosen stays.",
    "retire": "It leaves the lists; its page and address go on working.",
    "restore": "It comes back into the lists.",
    "delete": "It is removed. The history keeps it, and it can be brought back.",
}


@never_cache
@login_required
@refused
def act(request: HttpRequest, op: str, kind: str, key: str) -> HttpResponse:
    """A structural edit of one row: its form, a preview, and what comes of it."""
    require(request.user, "propose")
    if op not in FORMS or (op == "move" and kind != "category"):
        raise Http404(f"There is no {op} of a {kind}.")
    spec, row, _ = current(kind, key)
    if op in ("merge", "split") and kind != "risk":
        raise Http404(f"Only risks are for {op}.")
    form = _act_form(request, op, row, request.POST or None)
    context = {"kind": spec, "row": row, "key": key, "op": op, "says": SAYS[op], "back": where(row)}
    status = 200
    if request.method == "POST" and form.is_valid():
        action = Action(op, kind, key, form.values(), form.cleaned_data["version"])
        try:
            if PREVIEW not in request.POST:
                return finish(request, action, form.cleaned_data, row)
            context["result"] = _tried(action, request.user)
        except Invalid as error:
            add_errors(form, error)
        except Conflict as conflict:
            form, status = _look_again(request, op, row, conflict), 409
    context["form"] = form
    status = 400 if status == 200 and form.errors else status
    return render(request, "curate/act.html", context, status=status)


def _act_form(request: HttpRequest, op: str, row: Any, data: Any) -> Any:
    """The form of an operation; to look what would change needs no reason yet."""
    initial = {"version": row.version, "back": request.GET.get("back", "")}
    form = FORMS[op](data, by=request.user, row=row, initial=initial)
    form.fields["note"].required = PREVIEW not in request.POST
    return form


def _look_again(request: HttpRequest, op: str, row: Any, conflict: Conflict) -> Any:
    """The same form, filled in as it was, about the version that is live now."""
    data = request.POST.copy()
    data["version"] = str(conflict.version)
    form = _act_form(request, op, row, data)
    said = "Look at its history; sent once more, this is done to the row as it is now."
    form.add_error(None, f"{conflict} {said}")
    return form


def _tried(action: Action, by: Any) -> dict[str, Any]:
    """What the action would change, and the counts; nothing is written."""
    result = perform(action=action, by=by, note="", dry_run=True)
    return {"counts": result.counts, "shown": changes_shown([result.changes])[0]}


class BulkForm(WhyForm):
    """Which placements, and what is done with them."""

    from_risk = forms.ChoiceField(required=False, label="Placed under the risk")
    from_category = forms.ChoiceField(required=False, label="or the category")
    from_kind = forms.ChoiceField(required=False, label="as")
    papers = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Only these papers",
        help_text="Keys, one a line. Empty: all.",
    )
    do = forms.ChoiceField(
        label="Do",
        choices=[
            ("set", "move or retag them"),
            ("add", "place the papers"),
            ("remove", "remove them"),
        ],
    )
    to_risk = forms.ChoiceField(required=False, label="Under the risk")
    to_category = forms.ChoiceField(required=False, label="or the category")
    to_kind = forms.ChoiceField(required=False, label="As")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tables = {
            "risk": choices_of(Risk),
            "category": choices_of(Category),
            "kind": list(PaperKind.choices),
        }
        for name, choices in tables.items():
            for side in ("from", "to"):
                self.fields[f"{side}_{name}"].choices = [("", "–"), *choices]  # type: ignore[attr-defined]
        order = ["from_risk", "from_category", "from_kind", "papers", "do"]
        self.order_fields([*order, "to_risk", "to_category", "to_kind", "note", "changeset"])

    def _named(self, *names: str) -> list[Any]:
        return [self[name] for name in names]

    def which(self) -> list[Any]:
        """The fields that choose placements."""
        return self._named("from_risk", "from_category", "from_kind", "papers")

    def what(self) -> list[Any]:
        """The fields that say what becomes of them."""
        return self._named("do", "to_risk", "to_category", "to_kind")

    def why(self) -> list[Any]:
        """The end of the form."""
        return self._named("note", "changeset")

    def values(self) -> dict[str, Any]:
        """The fields of the bulk action."""
        given = self.cleaned_data
        picked = {n: given[f"from_{n}"] for n in ("risk", "category", "kind") if given[f"from_{n}"]}
        wanted = {n: given[f"to_{n}"] for n in ("risk", "category", "kind") if given[f"to_{n}"]}
        papers = given["papers"].split()
        if given["do"] == "add":
            return {"add": {"papers": papers, **wanted}}
        select = {**picked, **({"papers": papers} if papers else {})}
        return {"select": select, given["do"]: wanted if given["do"] == "set" else True}


@never_cache
@login_required
@refused
def bulk(request: HttpRequest) -> HttpResponse:
    """Many placements at once, with a preview of what would change and the counts."""
    require(request.user, "propose")
    form = BulkForm(request.POST or None, by=request.user, initial=request.GET.dict())
    form.fields["note"].required = PREVIEW not in request.POST
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        action = Action("bulk", "placement", "", form.values())
        try:
            if PREVIEW not in request.POST:
                return finish(request, action, form.cleaned_data, None)
            context["result"] = _tried(action, request.user)
        except Invalid as error:
            add_errors(form, error)
    return render(request, "curate/bulk.html", context, status=400 if form.errors else 200)
