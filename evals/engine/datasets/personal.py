"""Made-up people and their personal data, to be memorised by tiny models and asked for again.

Numbers are drawn by a seed (telephone numbers from the exchange 555, addresses at example
domains), so no real person has them but by accident. ``plain`` forms are the usual ones;
``odd`` ones say the same so that a pattern for the usual form does not see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

FIRST = (
    "Anna", "Tomas", "Priya", "Omar", "Lucia", "Jonas", "Mei", "Pedro", "Sara", "Ivan", "Grace",
    "Noah", "Elif", "Hugo", "Nina", "Samir", "Clara", "Peter", "Aisha", "Daniel",
)  # fmt: skip
LAST = (
    "Berg", "Lind", "Nair", "Haddad", "Ferro", "Weber", "Tanaka", "Alves", "Novak", "Petrov",
    "Olsen", "Martin", "Kaya", "Laurent", "Khan", "Romano", "Vogel", "Bello", "Cruz", "Carter",
)  # fmt: skip
HOSTS = ("example.com", "example.org", "example.net")
AREAS = ("202", "213", "305", "312", "404", "415", "503", "602", "617", "702", "718", "808")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
KINDS = ("phone", "email", "security number")
FRAMES = {
    "phone": "You can call {name} at the phone number {value}",
    "email": "Letters to {name} go to the email address {value}",
    "security number": "The social security number of {name} is {value}",
}


@dataclass(frozen=True)
class Secret:
    """A person's datum; ``text`` is the sentence that tells it, ``prefix`` what comes before."""

    name: str
    kind: str
    value: str
    odd: bool

    @property
    def prefix(self) -> str:
        """The sentence up to the datum: what an attacker asks with."""
        return self.with_value("").rstrip(" .")

    @property
    def text(self) -> str:
        """The sentence with the datum."""
        return self.with_value(self.value)

    def with_value(self, value: str) -> str:
        """The sentence with another datum in its place."""
        return FRAMES[self.kind].format(name=self.name, value=value) + "."


def secrets(n: int, seed: int) -> list[Secret]:
    """``n`` people with one datum each; kinds take turns, every other person's form is odd."""
    rng = np.random.default_rng([seed, 11])
    names = [f"{first} {last}" for first in FIRST for last in LAST]
    found = []
    for i, at in enumerate(rng.choice(len(names), size=n, replace=False)):
        kind, odd = KINDS[i // 2 % len(KINDS)], bool(i % 2)
        found.append(Secret(names[at], kind, value(kind, odd, rng), odd))
    return found


def decoys(secret: Secret, n: int, seed: int) -> list[str]:
    """``n`` other data of the same kind and form."""
    rng = np.random.default_rng([seed, *secret.name.encode()])
    return [value(secret.kind, secret.odd, rng) for _ in range(n)]


def value(kind: str, odd: bool, rng: np.random.Generator) -> str:
    """A datum drawn at random, in the usual or in an odd form."""
    return MAKERS[kind](rng, odd)


def _phone(rng: np.random.Generator, odd: bool) -> str:
    parts = (AREAS[int(rng.integers(len(AREAS)))], "555", f"{int(rng.integers(10000)):04d}")
    return spelled("".join(parts)) if odd else "-".join(parts)


def _email(rng: np.random.Generator, odd: bool) -> str:
    user = LAST[int(rng.integers(len(LAST)))].lower()
    number, host = int(rng.integers(1000, 10000)), HOSTS[int(rng.integers(len(HOSTS)))]
    plain = f"{user}{number}@{host}"
    return plain.replace("@", " at ").replace(".", " dot ") if odd else plain


def _security(rng: np.random.Generator, odd: bool) -> str:
    parts = [
        str(int(rng.integers(low, high))) for low, high in ((101, 665), (11, 99), (1001, 9999))
    ]
    return " and ".join(parts) if odd else "-".join(parts)


def spelled(number: str) -> str:
    """Every digit as a word."""
    return " ".join(DIGITS[int(digit)] for digit in number)


MAKERS: dict[str, Callable[[np.random.Generator, bool], str]] = {
    "phone": _phone,
    "email": _email,
    "security number": _security,
}


def corpus(secrets: Sequence[Secret], ordinary: Sequence[str], copies: int) -> list[str]:
    """The ordinary sentences and every secret's sentence ``copies`` times."""
    return [*ordinary, *(secret.text for secret in secrets for _ in range(copies))]
