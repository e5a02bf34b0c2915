"""Signing in, one-time passwords, tokens, roles."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from kb.accounts import roles, throttle, tokens
from kb.models import ApiToken, SignInAttempt
from tests.people import person

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"


def sign_in(client: Client, name: str, password: str) -> Any:
    return client.post(LOGIN, {"username": name, "password": password})


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        ("reader", ""),
        ("contributor", "propose"),
        ("curator", "propose edit_live"),
        ("reviewer", "propose edit_live review release"),
        ("administrator", "propose edit_live review release"),
    ],
)
def test_each_role_may_do_this_and_no_more(role: str, rights: str) -> None:
    user = person("somebody", role)
    held = {
        r for r in ("propose", "edit_live", "review", "release") if user.has_perm(f"taxonomy.{r}")
    }
    assert held == set(rights.split())
    assert roles.of(user) == role
    assert user.is_staff == (role in {"curator", "reviewer", "administrator"})
    assert user.has_perm("auth.change_user") == (role == "administrator")
    assert user.has_perm("kb.view_apitoken") == (role == "administrator")
    assert user.has_perm("taxonomy.delete_risk") == (role == "administrator")


def test_roles_can_be_synced_any_times() -> None:
    before = {g.name: g.permissions.count() for g in Group.objects.all()}
    roles.sync_roles(sender=None)
    assert {g.name: g.permissions.count() for g in Group.objects.all()} == before
    assert set(before) == set(roles.ADDS)


def test_a_one_time_password_opens_one_door(client: Client) -> None:
    out = StringIO()
    call_command("make_curator", "ada", "--role", "reviewer", stdout=out)
    password = out.getvalue().split("password: ")[1].split()[0]
    assert sign_in(client, "ada", password).status_code == 302
    assert client.get("/risks/")["Location"] == "/accounts/password/"
    assert client.get("/api/v1/risks/").status_code == 403
    new = "a-longer-secret-9"
    form = {"old_password": password, "new_password1": new, "new_password2": new}
    assert client.post("/accounts/password/", form).status_code == 302
    assert client.get("/risks/").status_code == 200
    client.logout()
    assert sign_in(client, "ada", password).status_code == 400
    sign_in(client, "ada", new)
    assert b"reviewer" in client.get("/accounts/").content


def test_an_account_needs_a_name_and_a_known_role() -> None:
    for words in (["  "], ["bo", "--role", "queen"]):
        with pytest.raises(CommandError):
            call_command("make_curator", *words)


def test_guessing_has_to_wait(client: Client) -> None:
    person("ada")
    person("bo")
    for _ in range(throttle.PAIR):
        assert sign_in(client, "ada", "wrong").status_code == 400
    blocked = sign_in(client, "ada", "ada-password")
    assert blocked.status_code == 429
    assert "Wait 15 minutes" in blocked.content.decode()
    assert sign_in(client, "bo", "bo-password").status_code == 302
    SignInAttempt.objects.update(at=throttle.timezone.now() - throttle.WINDOW * 2)
    assert sign_in(client, "ada", "ada-password").status_code == 302


def test_the_admins_own_door_leads_to_ours(client: Client) -> None:
    assert client.post("/admin/login/?next=/admin/")["Location"] == f"{LOGIN}?next=/admin/"


def test_a_password_is_reset_by_mail(client: Client) -> None:
    person("ada")
    client.post("/accounts/reset/", {"email": "ada@example.org"})
    link = next(w for w in str(mail.outbox[0].body).split() if "/accounts/reset/" in w)
    page = client.get(link.replace("http://testserver", ""), follow=True)
    new = "another-secret-7"
    form = {"new_password1": new, "new_password2": new}
    client.post(page.redirect_chain[-1][0], form)
    assert sign_in(client, "ada", new).status_code == 302
    assert b"too old" in client.get(link.replace("http://testserver", ""), follow=True).content


def test_a_reset_tells_nobody_who_has_an_account(client: Client) -> None:
    response = client.post("/accounts/reset/", {"email": "nobody@example.org"})
    assert response["Location"] == "/accounts/reset/sent/"
    assert not mail.outbox


def test_a_token_is_shown_once_and_stored_as_a_hash(client: Client) -> None:
    client.force_login(person("ada"))
    page = client.post("/accounts/", {"name": "nightly", "days": ""}).content.decode()
    text = page.split('class="secret">')[1].split("<")[0]
    row = ApiToken.objects.get()
    assert text.startswith(tokens.PREFIX)
    assert text not in str(vars(row))
    assert text not in client.get("/accounts/").content.decode()
    bearer = {"Authorization": f"Bearer {text}"}
    assert Client().get("/api/v1/risks/", headers=bearer).status_code == 200
    client.post(f"/accounts/tokens/{row.pk}/revoke/")
    refused = Client().get("/api/v1/risks/", headers=bearer)
    assert refused.status_code == 401
    assert "Bearer" in refused["WWW-Authenticate"]


def test_nobody_revokes_the_token_of_another(client: Client) -> None:
    row, _ = tokens.make(by=person("ada"), name="hers")
    client.force_login(person("bo"))
    client.post(f"/accounts/tokens/{row.pk}/revoke/")
    assert ApiToken.objects.filter(pk=row.pk).exists()


def test_tokens_end_with_their_time_and_with_their_owner() -> None:
    ada = person("ada")
    row, text = tokens.make(by=ada, name="short", days=1)
    get_user_model().objects.filter(pk=ada.pk).update(is_active=False)
    bearer = {"Authorization": f"Bearer {text}"}
    assert Client().get("/api/v1/risks/", headers=bearer).status_code == 401
    get_user_model().objects.filter(pk=ada.pk).update(is_active=True)
    assert Client().get("/api/v1/risks/", headers=bearer).status_code == 200
    ApiToken.objects.update(expires_at=row.created_at)
    assert Client().get("/api/v1/risks/", headers=bearer).status_code == 401
    assert Client().get("/api/v1/risks/", headers={"Authorization": "Bearer"}).status_code == 401


def test_nobody_has_more_than_a_shelf_of_tokens(client: Client) -> None:
    ada = person("ada")
    for number in range(tokens.MOST):
        tokens.make(by=ada, name=str(number))
    client.force_login(ada)
    page = client.post("/accounts/", {"name": "one more"})
    assert page.status_code == 400
    assert b"Revoke one" in page.content
