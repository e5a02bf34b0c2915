"""Signing in, changing and resetting a password, tokens."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from kb.accounts import roles, tokens
from kb.accounts.forms import SignInForm, TokenForm
from kb.accounts.middleware import FLAG
from kb.accounts.models import Account
from kb.curation.requests import drafts_of


class SignIn(auth.LoginView):
    """The sign-in page; 429 while somebody has to wait."""

    authentication_form = SignInForm

    def form_invalid(self, form: Any) -> HttpResponse:
        """The form again with its errors."""
        response = super().form_invalid(form)
        response.status_code = 429 if form.waiting else 400
        return response


class ChangePassword(auth.PasswordChangeView):
    """A new password of one's own; a one-time password ends here."""

    success_url = reverse_lazy("account")

    def form_valid(self, form: Any) -> HttpResponse:
        """Store it and open the rest of the site."""
        response = super().form_valid(form)
        _own_password(self.request, cast(User, self.request.user))
        messages.success(self.request, "The new password holds from now on.")
        return response


class ResetPassword(auth.PasswordResetConfirmView):
    """A new password by the link from an e-mail."""

    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        """Store it, and say so."""
        response = super().form_valid(form)
        _own_password(self.request, self.user)
        messages.success(self.request, "The new password holds. Sign in with it.")
        return response


def _own_password(request: HttpRequest, user: Any) -> None:
    Account.objects.filter(user=user).update(must_change_password=False)
    request.session.pop(FLAG, None)


@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Who one is here, and one's tokens; POST makes a token and shows it once."""
    user = cast(User, request.user)
    form, made = TokenForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            _, made = tokens.make(by=user, **form.cleaned_data)
            form = TokenForm()
        except tokens.TooManyTokens as error:
            form.add_error(None, str(error))
    context = {
        "role": roles.of(user),
        "form": form,
        "made": made,
        "tokens": user.tokens.all(),
        "drafts": drafts_of(user),
    }
    return render(request, "accounts/account.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke one of one's own tokens."""
    if tokens.revoke(pk=pk, by=cast(User, request.user)):
        messages.success(request, "The token is revoked: it opens nothing any more.")
    return redirect("account")
