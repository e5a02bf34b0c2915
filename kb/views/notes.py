"""What visitors suggest: the form, the secret page that follows it, and the curators' list."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from kb.accounts.throttle import address
from kb.models import VisitorNote
from kb.placing import notes
from taxonomy.operations import Conflict, Invalid

from .edits import add_errors
from .refusals import refused

PAGE = 20


class NoteForm(forms.Form):
    """What a visitor wants to tell."""

    topic = forms.ChoiceField(choices=VisitorNote.Topic.choices, label="It is about")
    about = forms.CharField(
        max_length=notes.ABOUT,
        label="Which paper or page",
        help_text="An arXiv id, a DOI, a title, or the address of a page here.",
    )
    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6}),
        min_length=notes.SHORTEST,
        max_length=notes.TEXT,
        label="Your suggestion",
        help_text="No personal data, please: curators read it, and a part may be published.",
    )


@never_cache
def suggest(request: HttpRequest) -> HttpResponse:
    """The form; sending it leads to a secret page that follows the suggestion."""
    wanted = {"topic": request.GET.get("topic", ""), "about": request.GET.get("about", "")[:300]}
    form = NoteForm(request.POST or None, initial=wanted)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                _, secret = notes.send(**form.cleaned_data, address=address(request))
                return redirect("followed", secret)
            except notes.TooMany as error:
                form.add_error(None, str(error))
                status = 429
            except Invalid as error:
                add_errors(form, error)
    return render(request, "kb/suggest.html", {"form": form}, status=status)


@never_cache
def followed(request: HttpRequest, secret: str) -> HttpResponse:
    """What has become of a suggestion; for whoever has the link."""
    found = notes.followed(secret)
    if found is None:
        raise Http404("This link leads to no suggestion.")
    link = request.build_absolute_uri()
    response = render(request, "kb/suggested.html", {"note": found, "link": link})
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"
    return response


@never_cache
@login_required
@refused
def listing(request: HttpRequest) -> HttpResponse:
    """What visitors have sent, with a form to answer each."""
    state = request.GET.get("state", "waiting")
    found = notes.listed(by=request.user, state=state)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "state": state, "states": VisitorNote.State.choices}
    return render(request, "curate/notes.html", context)


@login_required
@require_POST
@refused
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer one of them."""
    given = request.POST
    version = given.get("version", "")
    try:
        found = notes.answer(
            pk=pk,
            by=request.user,
            state=given.get("state", ""),
            text=given.get("answer", ""),
            version=int(version) if version.isdecimal() and len(version) < 10 else 0,
        )
        messages.success(request, f"Answered: {found.get_state_display()}.")
    except Invalid as error:
        messages.error(request, str(error))
    except Conflict:
        messages.error(request, "Somebody answered it meanwhile. Look at it again.")
    return redirect("notes")
