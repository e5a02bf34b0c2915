"""A curator can correct the taxonomy, and loading leaves the correction alone."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from kb.models import Account, Paper
from taxonomy import history
from taxonomy.models import Category

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator(client: Client) -> Client:
    out = StringIO()
    call_command("make_curator", "ada", stdout=out)
    password = out.getvalue().split("password: ")[1].split()[0]
    assert client.login(username="ada", password=password)
    Account.objects.update(must_change_password=False)
    client.session.flush()
    assert client.login(username="ada", password=password)
    return client


def test_an_edit_is_stored_versioned_and_remembered(curator: Client) -> None:
    node = Category.objects.get(slug="truthfulness")
    fields = (
        "name",
        "slug",
        "stage_id",
        "origin",
        "position",
        "number",
        "summary",
        "parent_id",
        "status",
    )
    form = {name.removesuffix("_id"): getattr(node, name) for name in fields}
    form["summary"] = "Whether what is said is so."
    response = curator.post(f"/admin/taxonomy/category/{node.pk}/change/", form)
    assert response.status_code == 302, response.content[:2000]
    node.refresh_from_db()
    assert (node.summary, node.version) == ("Whether what is said is so.", 2)
    newest = history.log(what="category").first()
    assert newest.reason == "edited in the admin"
    assert newest.by == str(get_user_model().objects.get(username="ada").pk)


@pytest.mark.parametrize(
    "address",
    [
        "/admin/",
        "/admin/taxonomy/risk/",
        "/admin/taxonomy/mitigation/",
        "/admin/taxonomy/mapping/",
        "/admin/taxonomy/release/",
        "/admin/kb/paper/?q=watermark",
    ],
)
def test_the_admin_opens(curator: Client, address: str) -> None:
    assert curator.get(address).status_code == 200


def test_a_paper_opens_with_its_placements(curator: Client) -> None:
    paper = Paper.objects.get(key="arxiv:2307.15043")
    assert curator.get(f"/admin/kb/paper/{paper.pk}/change/").status_code == 200


def test_strangers_are_sent_to_sign_in(client: Client) -> None:
    assert "/admin/login/" in client.get("/admin/taxonomy/risk/")["Location"]


def test_an_account_is_made_once(curator: Client) -> None:
    with pytest.raises(CommandError, match="already"):
        call_command("make_curator", "ada")
