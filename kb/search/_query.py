"""Understanding a query: cleaning, identifiers, spelling, acronyms, lexemes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from django.db import connection

from ._postings import parse_plain
from ._words import WORD, Words, english

MAX_CHARACTERS = 20_000
ARXIV_ID = re.compile(
    r"(?:arxiv[.:/]\s*|abs/|pdf/|html/)?\b(\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?/?$", re.I
)
DOI = re.compile(r"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)$", re.I)
# What an expansion's words count beside the typed ones.
EXPANDED = 0.5
# A word said often counts for more, up to this limit (k3 of BM25).
OFTEN = 8.0
LONG = 60


@dataclass(frozen=True)
class Query:
    """What was typed and what it was taken to mean."""

    text: str
    meant: str
    lexemes: dict[str, float]
    corrected: dict[str, str] = field(default_factory=dict)
    expanded: dict[str, str] = field(default_factory=dict)


def clean(text: str) -> str:
    """The text without control characters, its spaces collapsed, cut at 20,000 characters."""
    printable = "".join(c if c.isprintable() or c.isspace() else " " for c in text)
    return " ".join(printable.split())[:MAX_CHARACTERS]


def identifier(text: str) -> dict[str, str] | None:
    """The paper field that ``text`` names, if it is an arXiv id or a DOI."""
    if found := ARXIV_ID.search(text.strip()):
        return {"arxiv_id": found.group(1)}
    if found := DOI.match(text.strip()):
        return {"doi__iexact": found.group(1)}
    return None


def understand(text: str, words: Words) -> Query:
    """The query of a cleaned text: misspelt words corrected, acronyms spelt out."""
    typed = [match.group() for match in WORD.finditer(text)]
    corrected = _corrected(typed, words) if len(typed) < LONG else {}
    read = WORD.sub(lambda match: corrected.get(match.group(), match.group()), text)
    expanded = _expanded(WORD.findall(read), words) if len(typed) < LONG else {}
    more = " ".join([*expanded.values(), *_other_spellings(read)])
    own, added = _lexemes(read, more)
    lexemes = {lexeme: n * (OFTEN + 1) / (n + OFTEN) for lexeme, n in own.items()}
    lexemes |= {lexeme: EXPANDED for lexeme in added if lexeme not in lexemes}
    meant = " ".join([read, *(f"({long})" for long in expanded.values())])
    return Query(text, meant, lexemes, corrected, expanded)


def _corrected(typed: list[str], words: Words) -> dict[str, str]:
    """{typed word: the word that was meant}; names in capitals are left as they are."""
    plain = {word for word in typed if not any(letter.isupper() for letter in word[1:])}
    found = {word: words.correct(word.lower()) for word in plain}
    return {word: meant for word, meant in found.items() if meant}


def _expanded(typed: list[str], words: Words) -> dict[str, str]:
    """{acronym: what it stands for}, where the text does not spell it out itself."""
    found = {}
    for word in dict.fromkeys(typed):
        if _looks_short(word, len(typed)) and words.counts[word.lower()] < words.often():
            meanings = [m for m in words.meanings(word) if m not in " ".join(typed).lower()]
            if meanings:
                found[word] = meanings[0]
    return found


def _looks_short(word: str, typed: int) -> bool:
    """Whether a word may be an acronym: two capitals, or alone in a query of a few words."""
    capitals = sum(letter.isupper() for letter in word)
    return capitals > 1 or (typed < 4 and 1 < len(word) < 7 and word.lower() not in english())


def _other_spellings(text: str) -> list[str]:
    """The American spelling of British words and the other way round."""
    found = []
    for word in re.findall(r"[a-z]{6,}", text.lower()):
        for one, other in (("is", "iz"), ("iz", "is"), ("our", "or")):
            changed = re.sub(rf"{one}(e|ed|es|er|ers|ing|ation|ations|)$", rf"{other}\1", word)
            if changed != word and not (one != "our" and changed.endswith(other)):
                found.append(changed)
    return found


def _lexemes(text: str, more: str) -> tuple[dict[str, int], dict[str, int]]:
    """The lexemes of two texts as PostgreSQL's English configuration gives them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_tsvector('english', %s)::text, to_tsvector('english', %s)::text",
            [text, more],
        )
        own, added = cursor.fetchone()
    return parse_plain(own), parse_plain(added)
