"""Evidence from other tools: the list, the upload, and one import with its mapping."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from evals import figures
from evals.imports import NotReadable, storing
from evals.imports.reading import MOST_BYTES
from evals.imports.storing import NotMapped
from evals.models import EvidenceImport
from kb.curation.forms import choices_of
from kb.queries import imports as queries
from taxonomy.models import Mitigation, Risk
from taxonomy.operations.actions import require

from .refusals import refused

RIGHT = "edit_live"
NONE = ("", "none, or not known")


class UploadForm(forms.Form):
    """A report, and what was in place when its tool ran."""

    file = forms.FileField(
        label="Report",
        help_text="A garak report (JSON lines), an Inspect log (.eval or JSON) or the JSON of "
        f"promptfoo, up to {MOST_BYTES // 1024**2} MB.",
    )
    mitigation = forms.ChoiceField(label="Mitigation in place", required=False)
    note = forms.CharField(
        label="Where it comes from", max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["mitigation"].choices = [NONE, *choices_of(Mitigation)]  # type: ignore[attr-defined]

    def clean_file(self) -> UploadedFile[Any]:
        """Refuse what is too large before it is read."""
        given: UploadedFile[Any] = self.cleaned_data["file"]
        if (given.size or 0) > MOST_BYTES:
            raise forms.ValidationError(f"The file is larger than {MOST_BYTES // 1024**2} MB.")
        return given


@never_cache
@refused
def imports(request: HttpRequest) -> HttpResponse:
    """Every import that the reader may see; curators upload here."""
    may = request.user.has_perm(f"taxonomy.{RIGHT}")
    form = UploadForm(request.POST or None, request.FILES or None) if may else None
    if request.method == "POST":
        require(request.user, RIGHT)
        if form and form.is_valid() and (made := _store(request, form)):
            return redirect(made)
    context = {
        "imports": queries.imports(drafts=may),
        "form": form,
        "api": reverse("api:imports"),
    }
    status = 400 if form is not None and form.errors else 200
    return render(request, "kb/imports.html", context, status=status)


def _store(request: HttpRequest, form: UploadForm) -> EvidenceImport | None:
    """Keep the uploaded file; None, with the reason on the form, where it cannot be read."""
    given = form.cleaned_data
    try:
        made, new = storing.store(
            name=given["file"].name,
            content=given["file"].read(),
            by=cast(User, request.user),
            known=queries.known(),
            note=given["note"],
            mitigation=given["mitigation"],
        )
    except (NotReadable, NotMapped) as error:
        form.add_error("file", str(error))
        return None
    said = "Read. Check what each row is about, then publish." if new else "It is here already."
    messages.info(request, said)
    return made


@never_cache
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One import: its findings, what they are about, and the rows that were left out."""
    may = request.user.has_perm(f"taxonomy.{RIGHT}")
    found = queries.one(pk, drafts=may)
    if found is None:
        raise Http404("No import has this address.")
    rows = [{"finding": row, "bar": figures.bar(row)} for row in found.findings.all()]
    context = {"found": found, "rows": rows, "may": may, "api": reverse("api:import", args=[pk])}
    if may:
        context["risks"] = choices_of(Risk)
        context["mitigations"] = choices_of(Mitigation)
    return render(request, "kb/import.html", context)


@login_required
@require_POST
@refused
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the mapping, publish, take back, or delete an import."""
    require(request.user, RIGHT)
    found = queries.one(pk, drafts=True)
    if found is None:
        raise Http404("No import has this address.")
    verb = request.POST.get("verb", "")
    if verb == "delete":
        storing.remove(found=found)
        messages.info(request, "The import and its findings are gone.")
        return redirect("imports")
    try:
        storing.map_findings(found=found, mapped=_mapped(request), known=queries.known())
    except NotMapped as error:
        messages.error(request, str(error))
        return redirect(found)
    if verb in ("publish", "withdraw"):
        storing.set_published(found=found, published=verb == "publish")
    messages.success(request, "Saved.")
    return redirect(found)


def _mapped(request: HttpRequest) -> dict[int, tuple[str, str]]:
    """{position: (risk, mitigation)} of the rows that the form carries."""
    found = {}
    for name, risk in request.POST.items():
        place = name.removeprefix("risk-")
        if name.startswith("risk-") and place.isdecimal() and len(place) < 8:
            found[int(place)] = (str(risk), request.POST.get(f"mitigation-{place}", ""))
    return found
