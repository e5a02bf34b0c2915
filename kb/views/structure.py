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
from taxonomy.models import Category, Risk
from taxonomy.operations import Action, Invalid, perform
from taxonomy.operations.actions import require

from .edits import add_errors, finish
from .refusals import refused


class MergeForm(WhyForm):
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


class SplitForm(WhyForm):
    """The new risk, and what goes with it."""

    slug = forms.SlugField(max_length=80, label="Name in addresses of the new risk")
    name = forms.CharField(max_length=120, label="Its name")
    definition = forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), label="Its definition")
    papers = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Papers that go with it"
    )

    def __init__(self, *args: Any, row: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        placed = Placement.objects.filter(risk=row).select_related("paper")
        found = [(p.paper.key, f"{p.paper.title} ({p.kind})") for p in placed[:500]]
        self.fields["papers"].choices = found  # type: ignore[attr-defined]
        self.order_fields(["slug", "name", "definition", "papers", "note", "changeset"])

    def values(self) -> dict[str, Any]:
        """The fields of the split."""
        new = {name: self.cleaned_data[name] for name in ("slug", "name", "definition")}
        return {"new": new, "take": {"papers": self.cleaned_data["papers"]}}


class PlainForm(WhyForm):
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
    version = getattr(row, "version", None)
    form = FORMS[op](request.POST or None, by=request.user, row=row, initial={"version": version})
    context = {"kind": spec, "row": row, "key": key, "op": op, "form": form, "says": SAYS[op]}
    context["version"] = request.POST.get("version", version)
    if request.method == "POST" and form.is_valid():
        action = Action(op, kind, key, form.values(), _whole(request.POST.get("version")))
        try:
            if "preview" in request.POST:
                context["result"] = _tried(action, request.user)
            else:
                return finish(request, action, form.cleaned_data, row)
        except Invalid as error:
            add_errors(form, error)
    return render(request, "curate/act.html", context, status=400 if form.errors else 200)


def _tried(action: Action, by: Any) -> dict[str, Any]:
    """What the action would change, and the counts; nothing is written."""
    result = perform(action=action, by=by, note="", dry_run=True)
    return {"counts": result.counts, "shown": changes_shown([result.changes])[0]}


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


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
    to_category = forms.ChoiceField(required=False, label="or the category ")
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
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        action = Action("bulk", "placement", "", form.values())
        try:
            if "preview" in request.POST:
                context["result"] = _tried(action, request.user)
            else:
                return finish(request, action, form.cleaned_data, None)
        except Invalid as error:
            add_errors(form, error)
    return render(request, "curate/bulk.html", context, status=400 if form.errors else 200)
