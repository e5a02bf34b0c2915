"""Files of papers: what is read, what is kept, and what a fault costs."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.exports import FORMATS
from kb.exports._tables import names as cell_of
from kb.harvest import files, identifiers, latex, tables
from kb.harvest.records import Record
from kb.imports.match import values_of
from kb.models import Paper


def read(text: str | bytes, form: str) -> list[Record]:
    raw = text.encode() if isinstance(text, str) else text
    return list(files.records(io.BytesIO(raw), form))


ENTRY = r"""@string{nips = "Advances in Processing"}
@inproceedings{perez2022,
  title     = {Red Teaming {LLMs} with \emph{na{\"\i}ve} Models \& $x^2$},
  author    = {Perez, Ethan and {Barnes and Noble} and Jos{\'e} {\O}stergaard and
               Neumann, Jr., John von and others},
  booktitle = nips # { 35},
  year      = 2022,
  month     = feb,
  pages     = {1--9},
  doi       = {10.18653/v1/2022.emnlp-main.225},
  eprint    = {2202.03286v1}, archiveprefix = {arXiv},
  keywords  = {a, b},
  keywords  = {said twice},
}
"""


def test_a_bibtex_entry_is_read_whole() -> None:
    (record,) = read(ENTRY, "bibtex")
    assert record.problem == ""
    assert record.title == "Red Teaming LLMs with naïve Models & $x^2$"
    assert record.authors == (
        "Ethan Perez",
        "Barnes and Noble",
        "José Østergaard",
        "John von Neumann, Jr.",
        "et al.",
    )
    assert (record.year, record.arxiv_id) == (2022, "2202.03286")
    assert record.venue == "Advances in Processing 35"
    assert record.doi == "10.18653/v1/2022.emnlp-main.225"
    kept = record.extra["bibtex"]
    assert (kept["type"], kept["id"]) == ("inproceedings", "perez2022")
    assert kept["fields"]["pages"] == "1--9"
    assert kept["fields"]["month"] == "feb"
    assert kept["fields"]["keywords-2"] == "said twice"
    assert "{LLMs}" in kept["fields"]["title"]
    assert "{Barnes and Noble}" in kept["fields"]["author"]


def test_a_broken_entry_costs_no_other() -> None:
    text = (
        "@article{a, title={Unbalanced {x}, year=2021}\n"
        "@misc{b, title={Fine}, year={2020}}\n"
        "@article{c title={no comma}}\n"
        "@misc{d, title={Fine too}, year={2019}}\n"
        "@misc{e, title={Cut off"
    )
    found = read(text, "bibtex")
    assert [bool(record.problem) for record in found] == [True, False, True, False, True]
    assert "do not balance" in found[0].problem
    assert "Unbalanced" in found[0].unread
    assert [record.line for record in found] == [1, 2, 3, 4, 5]
    assert [record.number for record in found] == [1, 2, 3, 4, 5]


def test_latin_1_and_utf_8_may_stand_in_one_file() -> None:
    raw = b"@misc{a, title={Gen\xe8ve}, year=2020}\n"
    raw += "@misc{b, title={Genève}, year=2020}".encode()
    assert [record.title for record in read(raw, "bibtex")] == ["Genève", "Genève"]
    utf16 = "@misc{a, title={Genève}, year=2020}\n@misc{b, title={Ω}, year=2020}".encode("utf-16")
    assert [record.title for record in read(utf16, "bibtex")] == ["Genève", "Ω"]


def test_ris_keeps_what_it_has_no_place_for() -> None:
    text = (
        "TY  - CONF\r\nTI  - A title\r\n  that goes on\r\nAU  - Perez, Ethan\r\nA1  - OpenAI,\r\n"
        "PY  - 2022/05/01\r\nDO  - https://doi.org/10.1000/ABC\r\nKW  - one\r\nKW  - two\r\n"
        "XX  - ?\r\nAN  - arXiv:2202.03286\r\nER  - \r\nstray words\r\nTY  - GEN\r\nTI  - Last\r\n"
    )
    first, stray, last = read(text, "ris")
    assert first.title == "A title that goes on"
    assert first.authors == ("Ethan Perez", "OpenAI")
    assert (first.year, first.doi, first.arxiv_id) == (2022, "10.1000/ABC", "2202.03286")
    kept = first.extra["ris"]["fields"]
    assert kept == {"KW": ["one", "two"], "XX": ["?"], "date": ["2022/05/01"]}
    assert "No RIS tag" in stray.problem
    assert last.title == "Last"


def test_csl_json_of_a_reference_manager_and_of_an_agency() -> None:
    items = [
        {
            "id": "x",
            "type": "article-journal",
            "title": "One",
            "author": [
                {"family": "Neumann", "given": "John", "non-dropping-particle": "von"},
                {"literal": "OpenAI"},
            ],
            "issued": {"date-parts": [[2024, 3]]},
            "container-title": ["Nature"],
            "DOI": "10.1000/1",
            "volume": "7",
        },
        7,
    ]
    first, second = read(json.dumps(items), "csl")
    assert first.authors == ("John von Neumann", "OpenAI")
    assert (first.year, first.venue, first.doi) == (2024, "Nature", "10.1000/1")
    kept = first.extra["csl"]["fields"]
    assert kept == {"volume": "7", "issued": {"date-parts": [[2024, 3]]}}
    assert second.problem == "A paper is a JSON object."
    cut = read('[{"title": "Fine", "year": 2020}, {"title": "Cut', "csl")
    assert [record.title for record in cut] == ["Fine", ""]
    assert "no JSON" in cut[1].problem


def test_a_table_may_have_its_own_names_and_signs() -> None:
    text = "\ufeffTitle;Authors;Publication Year;Notes\nOne;A B; 2020;'=1+1\nTwo;A;2021;;;more\n"
    good, bad = read(text, "csv")
    assert (good.title, good.year, good.authors) == ("One", 2020, ("A B",))
    assert good.extra["csv"]["fields"] == {"Notes": "=1+1"}
    assert "cells" in bad.problem
    (refused,) = read("a,b\n1,2\n", "csv")
    assert "names no column" in refused.problem


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("Doe, Jane; Roe, Richard", ["Doe, Jane", "Roe, Richard"]),
        ("Jane Doe;Richard Roe ; ", ["Jane Doe", "Richard Roe"]),
        ("Jane Doe and Richard Roe", ["Jane Doe", "Richard Roe"]),
        ("Barnes and Noble, Inc.; Kea, Ada", ["Barnes and Noble, Inc.", "Kea, Ada"]),
        ('"Team A; B, and C"; Ngô, Béla', ["Team A; B, and C", "Ngô, Béla"]),
        ('"Barnes and Noble"', ["Barnes and Noble"]),
        ('"The ""Quokka"" Group"; X', ['The "Quokka" Group', "X"]),
        ('"never closed; Kea, Ada', ['"never closed', "Kea, Ada"]),
        ("O'Brien, Q.", ["O'Brien, Q."]),
        ("", []),
    ],
)
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_authors_in_one_cell_are_parted_by_semicolons(
    cell: str, names: list[str], sign: str
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=sign).writerows([["title", "authors", "year"], ["One", cell, 2020]])
    (record,) = read(out.getvalue(), "csv")
    assert record.authors == tuple(names)
    assert (record.title, record.year) == ("One", 2020)


def test_json_lines_are_read_one_by_one() -> None:
    text = (
        '{"title": "One", "year": 2020, "tags": ["x"]}\n{oops\n\n["list"]\n{"title": "\\ud800"}\n'
    )
    one, broken, listed, half = read(text, "jsonl")
    assert one.extra["json"]["fields"] == {"tags": ["x"]}
    assert broken.problem == "The line is no JSON."
    assert listed.problem == "A paper is a JSON object."
    assert half.title == "?"


def test_a_list_of_identifiers() -> None:
    text = (
        "# to read\n2307.15043\narXiv:2307.15043v2 # again\n"
        "https://arxiv.org/pdf/2310.03684v4.pdf\n"
        "hep-th/9901001\nhttps://doi.org/10.1145/3\n"
        "doi: 10.48550/arXiv.2401.00001\nnothing at all\n"
    )
    found = read(text, "ids")
    assert [record.arxiv_id for record in found] == [
        "2307.15043",
        "2307.15043",
        "2310.03684",
        "hep-th/9901001",
        "",
        "2401.00001",
        "",
    ]
    assert found[4].doi == "10.1145/3"
    assert "Neither" in found[6].problem


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("refs.bib", "@misc{a,}", "bibtex"),
        ("pasted", "% mine\n@misc{a, title={x}}", "bibtex"),
        ("x.txt", "TY  - GEN\nER  - \n", "ris"),
        ("x.json", '[{"title": "x"}]', "csl"),
        ("x.json", '{"title": "x"}\n{"title": "y"}', "jsonl"),
        ("x", '{"count": 1, "papers": []}', "csl"),
        ("x.txt", "2307.15043\n", "ids"),
        ("x", "title,year\na,2020\n", "csv"),
    ],
)
def test_the_format_is_told_from_the_file(name: str, text: str, form: str) -> None:
    assert files.detect(name, io.BytesIO(text.encode())) == form


@pytest.mark.parametrize("text", ["", "  \n", "Dear colleagues,"])
def test_what_is_no_file_of_papers_is_refused(text: str) -> None:
    with pytest.raises(files.UnknownFormat):
        files.detect("x.txt", io.BytesIO(text.encode()))


@pytest.mark.parametrize("form", list(files.FORMATS))
@given(raw=st.binary(max_size=400))
def test_no_bytes_raise_or_smuggle_what_postgresql_cannot_hold(form: str, raw: bytes) -> None:
    for record in files.records(io.BytesIO(raw), form):
        stored = json.dumps(record.to_dict(), ensure_ascii=False)
        assert "\\u0000" not in stored
        stored.encode()


@given(raw=st.text(alphabet='@{}",=#\\\nabc12 ', max_size=200))
def test_no_text_of_braces_raises(raw: str) -> None:
    read(raw, "bibtex")


def words(alphabet: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.text(alphabet, min_size=1, max_size=40).map(lambda t: " ".join(t.split())).filter(bool)
    )


ANY = st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"])
TEXT = words(ANY)
NAME = words(ANY).filter(lambda n: ";" not in n and n.lower() not in {"others", "et al"})


@st.composite
def papers(draw: st.DrawFn) -> Paper:
    arxiv = draw(st.sampled_from(["", "2307.15043", "2401.0001", "hep-th/9901001"]))
    doi = draw(st.sampled_from(["", "10.1000/AbC_1", "10.18653/v1/2022.x-main.2", "10.1000/(a)b"]))
    title = draw(TEXT)
    return Paper(
        key=identifiers.key_for(arxiv, doi, title),
        title=title,
        authors=draw(st.lists(NAME, max_size=4)),
        year=draw(st.integers(1950, 2100)),
        venue=draw(st.one_of(st.just(""), TEXT)),
        arxiv_id=arxiv,
        doi=doi,
        url=draw(
            st.sampled_from(["", "https://example.org/a_b?c=d%20e&f=1#g", "https://x.org/~y"])
        ),
    )


def same(paper: Paper, record: Record) -> None:
    assert record.problem == ""
    found = values_of(record, "")
    for name in ("title", "authors", "year", "arxiv_id", "doi", "url", "venue"):
        assert found[name] == getattr(paper, name), name


@pytest.mark.parametrize(("ending", "form"), [("bib", "bibtex"), ("ris", "ris"), ("csl", "csl")])
@given(paper=papers())
def test_what_is_exported_comes_back_as_it_was(ending: str, form: str, paper: Paper) -> None:
    (record,) = read(FORMATS[ending].write([paper]), form)
    same(paper, record)


@given(names=st.lists(words(ANY | st.sampled_from(';",')), max_size=4), team=st.booleans())
def test_names_in_a_cell_come_back_as_they_were(names: list[str], team: bool) -> None:
    names += ["Quokka and Kea; the others"] if team else []
    assert tables.split_names(cell_of(names)) == names


@given(paper=papers())
def test_our_bibtex_survives_a_second_journey(paper: Paper) -> None:
    (record,) = read(FORMATS["bib"].write([paper]), "bibtex")
    again = Paper(**values_of(record, ""))
    (second,) = read(FORMATS["bib"].write([again]), "bibtex")
    same(paper, second)
    assert second.extra == record.extra


def test_foreign_bibtex_is_exported_as_it_was_written() -> None:
    (record,) = read(ENTRY, "bibtex")
    written = FORMATS["bib"].write([Paper(**values_of(record, ""))])
    assert r"{Red Teaming {LLMs} with \emph{na{\"\i}ve} Models \& $x^2$}" in written
    assert "pages = {1--9}" in written
    assert "@inproceedings{" in written
    (again,) = read(written, "bibtex")
    assert (again.title, again.authors) == (record.title, record.authors)
    kept = again.extra["bibtex"]["fields"]
    assert kept["keywords"] == "a, b"
    assert kept["title"] == record.extra["bibtex"]["fields"]["title"]


@given(text=st.text(ANY, max_size=60))
def test_escaped_text_reads_as_the_text(text: str) -> None:
    from kb.exports._bibtex import escaped

    assert " ".join(latex.plain(escaped(text)).split()) == " ".join(text.split())


def many(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield f"@misc{{k{number}, title={{Paper {number}}}, year=2020,\n".encode()
        yield b"  abstract={" + b"word " * 200 + b"}}\n"


class Stream(io.RawIOBase):
    """Lines made as they are asked for."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.lines = lines

    def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]
        return self.lines


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in files.records(Stream(many(count)), "bibtex"):  # type: ignore[arg-type]
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(20)
    assert peak(1000) < peak(100) + 200_000


@pytest.mark.parametrize(("ending", "form"), [("csv", "csv"), ("jsonl", "jsonl"), ("json", "csl")])
@pytest.mark.django_db
def test_rows_of_ours_come_back_with_their_placements(ending: str, form: str) -> None:
    found = list(Paper.objects.prefetch_related("placements")[:40])
    records = read(FORMATS[ending].write(found), form)
    for paper, record in zip(found, records, strict=True):
        same(paper, record)
        assert record.key == paper.key
        assert "placements" in record.extra["csv" if form == "csv" else "json"]["fields"]
