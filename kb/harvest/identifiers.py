"""Identifiers and titles in the one form by which they are compared."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

_NEW = r"\d{4}\.\d{4,5}"
_OLD = r"[a-z-]+(?:\.[A-Z]{2})?/\d{7}"
ARXIV = re.compile(
    rf"(?:^|arxiv[.:/\s]\s*|abs/|pdf/|html/)({_NEW}|{_OLD})(?:v\d+)?(?=$|[\s\].,;)?#]|\.pdf)", re.I
)
DOI = re.compile(r"(?:^|doi:\s*|doi\.org/|\s)(10\.\d{4,9}/[^\s\"<>{}\\]+)", re.I)
ARXIV_DOI = re.compile(rf"10\.48550/arxiv\.({_NEW}|{_OLD})(?:v\d+)?$", re.I)
LONGEST_KEY = 100


def arxiv_id(text: str) -> str:
    """The arXiv id in a text, without its version; empty where there is none.

    Reads plain ids, ``arXiv:`` ids, addresses of arxiv.org and arXiv's own DOIs.
    """
    text = text.strip()
    found = ARXIV_DOI.search(text) or ARXIV.search(text)
    if found is None:
        return ""
    name = found.group(1)
    return re.sub(r"\.[A-Z]{2}/", "/", name).lower() if "/" in name else name


def doi(text: str) -> str:
    """The DOI in a text as it is written there; empty where there is none, or arXiv's own."""
    found = DOI.search(text.strip())
    if found is None or ARXIV_DOI.search(found.group(1)):
        return ""
    name = found.group(1).rstrip(".,;")
    return name[:-1] if name.endswith(")") and "(" not in name else name


def year_of(arxiv: str) -> int | None:
    """The year in which an arXiv id was given out."""
    digits = arxiv.rpartition("/")[2][:2]
    if not digits.isdecimal():
        return None
    year = int(digits)
    return 1900 + year if year > 90 else 2000 + year


def plain_title(title: str) -> str:
    """A title without case, accents, punctuation and spaces."""
    folded = unicodedata.normalize("NFKD", title).casefold()
    return "".join(character for character in folded if character.isalnum())


def surname(name: str) -> str:
    """The last word of a name, folded, by which authors are compared."""
    words = unicodedata.normalize("NFKD", name.partition(",")[0]).casefold().split()
    last = words[-1] if words else ""
    return "".join(character for character in last if character.isalpha())


def key_for(arxiv: str, doi_: str, title: str) -> str:
    """The public key of a paper: arXiv id, else DOI, else a slug of its title."""
    if arxiv:
        return f"arxiv:{arxiv}"
    if doi_:
        return f"doi:{doi_.lower()}"
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_KEY].strip("-")
    return slug if len(slug) > 2 else f"paper-{sha256(title.encode()).hexdigest()[:12]}"
