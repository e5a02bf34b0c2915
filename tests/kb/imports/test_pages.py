"""Imports and merges on their pages, by REST and from the command line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.test.client import FakePayload
from django.test.utils import CaptureQueriesContext

from kb.imports.models import PaperImport
from kb.middleware import LARGEST_UPLOAD
from kb.models import Paper
from tests.kb.curation.test_api import Program
from tests.people import person

pytestmark = pytest.mark.django_db
TEXT = (
    "@misc{a, title={Quokkas & <b>poison</b>}, author={Hana Quokka}, year={2024}}\n"
    "@misc{b, title={Cut off, year={2024}\n"
    "@misc{c, title={Again}, eprint={2307.15043}, archiveprefix={arXiv}}\n"
)


def signed_in(role: str = "curator") -> Client:
    client = Client()
    client.force_login(person(f"{role}-page", role))
    return client


def upload(client: Client, raw: bytes = TEXT.encode(), name: str = "refs.bib") -> Any:
    return client.post("/curate/papers/", {"file": SimpleUploadedFile(name, raw)})


def test_a_file_is_shown_row_by_row_then_written_and_undone() -> None:
    client = signed_in()
    before = Paper.objects.count()
    address = upload(client)["Location"]
    page = client.get(address).content.decode()
    assert "Nothing has been written yet" in page
    assert "Quokkas &amp; &lt;b&gt;poison&lt;/b&gt;" in page
    assert "do not balance" in page
    assert "/papers/arxiv:2307.15043/" in page
    assert Paper.objects.count() == before
    narrowed = client.get(f"{address}?status=invalid").content.decode()
    assert "Cut off" in narrowed
    assert "Quokkas" not in narrowed
    client.post(f"{address}choose/", {"row-1": "skip"})
    assert client.post(f"{address}choose/", {"row-2": "add"}).status_code == 400
    client.post(f"{address}choose/", {"row-1": "add"})
    done = client.post(f"{address}confirm/", {"note": "a talk"}, follow=True).content.decode()
    assert "1 added" in done
    assert Paper.objects.count() == before + 1
    assert client.post(f"{address}confirm/").status_code == 409
    made = PaperImport.objects.get()
    page = client.get(f"/changesets/{made.changeset_id}/").content.decode()
    assert "Revert it whole" in page
    client.post(f"/changesets/{made.changeset_id}/revert/", {"note": "no"})
    assert Paper.objects.count() == before


def test_pasted_text_and_what_is_wrong_with_it() -> None:
    client = signed_in()
    assert client.post("/curate/papers/", {"text": TEXT})["Location"].startswith("/curate/papers/")
    for given in ({}, {"text": "Dear all"}, {"text": TEXT, "format": "doc"}):
        response = client.post("/curate/papers/", given)
        assert response.status_code == 400
        assert b"errorlist" in response.content
    assert upload(client, b"").status_code == 400


def test_a_preview_may_be_forgotten() -> None:
    client = signed_in()
    address = upload(client)["Location"]
    assert client.post(f"{address}drop/")["Location"] == "/curate/papers/"
    assert client.get(address).status_code == 404


def test_importing_is_for_curators() -> None:
    assert "/accounts/login/" in Client().get("/curate/papers/")["Location"]
    assert signed_in("contributor").get("/curate/papers/").status_code == 403
    address = upload(signed_in())["Location"]
    assert signed_in("reviewer").get(address).status_code == 404


@pytest.mark.parametrize("address", ["/curate/papers/", "/api/v1/paper-imports/"])
def test_fifty_megabytes_are_refused_before_they_are_stored(address: str) -> None:
    size = 50_000_000

    class Payload(FakePayload):
        read_so_far = 0

        def read(self, size: int = -1) -> bytes:
            self.read_so_far += size
            return b"x" * size

    payload = Payload()
    response = Client().generic(
        "POST",
        address,
        **{  # type: ignore[arg-type]
            "wsgi.input": payload,
            "CONTENT_LENGTH": str(size),
            "CONTENT_TYPE": "multipart/form-data; boundary=x",
        },
    )
    assert response.status_code == 413
    assert b"50 MB" in response.content
    assert str(LARGEST_UPLOAD // 10**6).encode() in response.content
    assert payload.read_so_far == size  # so that a browser gets to see the answer


def test_the_same_by_rest() -> None:
    ask = Program("curator")
    made = ask("post", "/paper-imports/", {"text": TEXT}, 201).json()
    assert made["counts"] == {"new": 1, "linked": 0, "duplicate": 1, "possible": 0, "invalid": 1}
    address = f"/paper-imports/{made['id']}"
    rows = ask("get", f"{address}/rows/").json()["results"]
    assert [row["status"] for row in rows] == ["new", "invalid", "duplicate"]
    assert rows[2]["paper"] == "arxiv:2307.15043"
    assert rows[0]["record"]["authors"] == ["Hana Quokka"]
    only = ask("get", f"{address}/rows/?status=invalid").json()["results"]
    assert [row["number"] for row in only] == [2]
    ask("get", f"{address}/rows/?status=odd", status=400)
    ask("post", f"{address}/choices/", {"choices": {"2": "add"}}, 400)
    ask("post", f"{address}/choices/", {"choices": {"x": "add"}}, 400)
    chosen = ask("post", f"{address}/choices/", {"choices": {"3": "fill"}}).json()
    assert chosen["planned"] == {"add": 1, "fill": 1, "skip": 1}
    done = ask("post", f"{address}/confirm/", {"note": "by program"}).json()
    assert done["state"] == "done"
    assert done["changeset"]
    ask("post", f"{address}/confirm/", {}, 409)
    ask("delete", f"{address}/", status=409)
    assert ask("get", "/paper-imports/").json()["results"][0]["id"] == made["id"]


def test_a_file_may_be_sent_by_rest() -> None:
    ask = Program("curator")
    file = SimpleUploadedFile("refs.bib", TEXT.encode("latin-1"))
    response = ask.client.post("/api/v1/paper-imports/", {"file": file})
    assert response.status_code == 201
    assert response.json()["name"] == "refs.bib"
    ask("delete", f"/paper-imports/{response.json()['id']}/", status=204)
    ask("post", "/paper-imports/", {}, 400)
    ask("post", "/paper-imports/", {"text": "Dear all"}, 400)
    ask("get", "/paper-imports/999/", status=404)
    Program("contributor")("post", "/paper-imports/", {"text": TEXT}, 403)
    assert Client().get("/api/v1/paper-imports/").status_code in {401, 403}


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("import_papers", *args, stdout=out)
    return out.getvalue()


def test_from_the_command_line(tmp_path: Path) -> None:
    person("ada")
    file = tmp_path / "refs.bib"
    file.write_text(TEXT)
    before = Paper.objects.count()
    said = run(str(file), "--by", "ada")
    assert "duplicate of arxiv:2307.15043" in said
    assert "new 1, linked 0, duplicate 1, possible 0, invalid 1" in said
    assert "Nothing was written" in said
    assert (Paper.objects.count(), PaperImport.objects.count()) == (before, 0)
    assert "1 added" in run(str(file), "--by", "ada", "--confirm").lower()
    assert Paper.objects.count() == before + 1


@pytest.mark.parametrize("case", ["nobody", "reader", "no file", "no papers"])
def test_the_command_line_refuses_with_code_2(case: str, tmp_path: Path) -> None:
    person("ada")
    person("rea", "reader")
    file = tmp_path / "x.txt"
    file.write_text("Dear all" if case == "no papers" else "2307.15043")
    by = {"nobody": "zoe", "reader": "rea"}.get(case, "ada")
    name = tmp_path / "none" if case == "no file" else file
    with pytest.raises(CommandError) as caught:
        run(str(name), "--by", by)
    assert caught.value.returncode == 2


def test_two_papers_are_merged_on_a_page() -> None:
    client = signed_in()
    gone = Paper.objects.create(
        key="quokka-a", title="Quokkas <i>here</i>", year=2024, doi="10.1/q"
    )
    stays = Paper.objects.create(key="quokka-b", title="Quokkas there", year=2025)
    page = client.get("/papers/quokka-a/").content.decode()
    assert "/curate/merge/paper/quokka-a/" in page
    address = "/curate/merge/paper/quokka-a/"
    assert b"Which paper is it?" in client.get(address).content
    assert client.get(f"{address}?into=nothing").status_code == 400
    assert client.get(f"{address}?into=quokka-a").status_code == 400
    shown = client.get(f"{address}?into=quokka-b").content.decode()
    assert "Quokkas &lt;i&gt;here&lt;/i&gt;" in shown
    form = {"into": "quokka-b", "note": "one", "version": gone.version, "title_from": "there"}
    preview = client.post(address, {**form, "preview": "1"}).content.decode()
    assert "What would change" in preview
    assert Paper.objects.filter(key="quokka-a").exists()
    assert client.post(address, form)["Location"] == "/papers/quokka-b/"
    stays.refresh_from_db()
    assert (stays.title, stays.year, stays.doi) == ("Quokkas <i>here</i>", 2025, "10.1/q")
    assert client.get("/papers/quokka-a/")["Location"] == "/papers/quokka-b/"


def test_two_papers_are_merged_by_rest() -> None:
    ask = Program("curator")
    Paper.objects.create(key="quokka-a", title="Quokkas here", year=2024)
    Paper.objects.create(key="quokka-b", title="Quokkas there", year=2025)
    address = "/curate/paper/quokka-a/merge/"
    body = {"fields": {"into": "quokka-b", "fields": {"year": 2024}}, "note": "one"}
    ask("post", address, body, 428)
    tag = ask("get", "/curate/paper/quokka-a/")["ETag"]
    tried = ask("post", f"{address}?dry_run=true", body, If_Match=tag).json()
    assert {change["kind"] for change in tried["changes"]} >= {"paper", "redirect"}
    done = ask("post", address, body, If_Match=tag).json()
    assert ask("get", "/papers/quokka-a/").json()["key"] == "quokka-b"
    ask("post", f"/changesets/{done['changeset']}/revert/", {"note": "two"})
    assert ask("get", "/papers/quokka-a/").json()["year"] == 2024


def test_a_longer_preview_asks_no_more_queries() -> None:
    client = signed_in()

    def queries(rows: int) -> int:
        text = "".join(
            f"@misc{{k, title={{Quokka {rows} {n}}}, year={{2024}}}}" for n in range(rows)
        )
        address = client.post("/curate/papers/", {"text": text + TEXT})["Location"]
        client.get(address)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    assert queries(2) == queries(30) < 16
