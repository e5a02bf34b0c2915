"""A curator's own grade of the evidence, with its reason, above the one that runs give by rule."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from evals import queries as evals
from kb import evidence
from kb.curation.forms import WhyForm
from taxonomy.kinds import get
from taxonomy.models import EvidenceGrade, RiskMitigation
from taxonomy.operations import Action
from taxonomy.operations.actions import require
from taxonomy.operations.values import find

from .edits import finish
from .refusals import refused

ANSWER = "answer"


class GradeForm(WhyForm):
    """The grade and why; no grade means that it follows the runs."""

    grade = forms.ChoiceField(
        choices=[("", "follow the runs by rule"), *EvidenceGrade.choices], required=False
    )
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["note"].help_text = "Readers see this beside the grade; it stands in the log."
        self.order_fields(["grade", "note", "changeset", "version"])

    def values(self) -> dict[str, Any]:
        """The fields of an answer that the form decides."""
        given = self.cleaned_data
        if not given["grade"]:
            return {"grade": EvidenceGrade.NOT_RUN.value, "grade_reason": ""}
        return {"grade": given["grade"], "grade_reason": given["note"]}


@never_cache
@login_required
@refused
def grade(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the grade of a mitigation against a risk, or give it back to the rule."""
    require(request.user, "propose")
    answer: RiskMitigation = find(get(ANSWER), str(pk))
    set_by_hand = bool(answer.grade_reason)
    initial = {
        "grade": answer.grade if set_by_hand else "",
        "note": answer.grade_reason,
        "version": answer.version,
    }
    form = GradeForm(request.POST or None, initial=initial, by=request.user)
    if request.method == "POST" and form.is_valid():
        action = Action("edit", ANSWER, str(pk), form.values(), form.cleaned_data["version"])
        return finish(request, action, form.cleaned_data, answer)
    context = {"answer": answer, "form": form, "set_by_hand": set_by_hand, **_by_rule(answer)}
    return render(request, "kb/grade.html", context, status=400 if form.errors else 200)


def _by_rule(answer: RiskMitigation) -> dict[str, Any]:
    """What the runs say of the answer, whatever a curator says."""
    pair = answer.mitigation.slug, answer.risk.slug
    run = evals.latest_runs(mitigation=pair[0], risk=pair[1]).get(pair)
    claim = {name: getattr(answer, name) for name in ("claim", "claim_value", "claim_unit")}
    plain = RiskMitigation(**claim)
    return {"rule": evidence.of(plain, run), "run": run}
