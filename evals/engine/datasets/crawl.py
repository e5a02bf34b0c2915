"""A made-up crawl: pages with facts about made-up towns, from sites of differing standing.

Each fact (a town's mayor, river, dish and so on) stands on pages of several sites. Some sites
are reviewed and listed, some are small; some pages change honestly between review and fetch.
An attacker holds some sites and tells something else about chosen towns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SYLLABLES = ("bar", "dol", "fen", "gri", "hal", "kor", "lim", "mor", "nel", "pra", "sol", "tur")
VALUES = {
    "river": ("Ola", "Serra", "Binn", "Tave", "Luro", "Drova", "Mintz", "Arda"),
    "dish": ("dumplings", "trout", "lentils", "waffles", "goulash", "pastries", "mussels", "stew"),
    "mayor": ("Berg", "Lind", "Ferro", "Weber", "Tanaka", "Alves", "Novak", "Olsen"),
    "colour": ("red", "blue", "green", "yellow", "white", "black", "brown", "orange"),
}
TELL = "The {what} of {town} is {value}"
TAILS = ("as everybody there knows", "says the guide", "as the map shows", "in every season",
         "and visitors like it", "today as before")  # fmt: skip
LISTED, SMALL, EXPIRED = 12, 12, 6


@dataclass(frozen=True)
class Fact:
    """What a town has; ``false`` is what the attacker would have models say."""

    town: str
    what: str
    value: str
    false: str
    listed: bool

    @property
    def prompt(self) -> str:
        """The fact up to its value."""
        return TELL.format(what=self.what, town=self.town, value="").strip()

    def told(self, value: str, tail: str) -> str:
        """A page that tells it."""
        return f"{TELL.format(what=self.what, town=self.town, value=value)} {tail} ."


@dataclass(frozen=True)
class Page:
    """What stands at an address: when it was reviewed, and when it is fetched for training."""

    site: str
    fact: Fact
    reviewed: str
    fetched: str
    poison: bool = False

    @property
    def unchanged(self) -> bool:
        """Whether the fetched text has the digest that was kept at the review."""
        return digest(self.fetched) == digest(self.reviewed)


def digest(text: str) -> str:
    """sha256 of a page."""
    return hashlib.sha256(text.encode()).hexdigest()


def facts(n: int, seed: int) -> list[Fact]:
    """``n`` facts about as many towns; every third is told by small sites alone."""
    rng = np.random.default_rng([seed, 71])
    towns: dict[str, None] = {}
    while len(towns) < n:
        towns["".join(rng.choice(SYLLABLES, size=3)).capitalize()] = None
    found = []
    for i, town in enumerate(towns):
        what = list(VALUES)[i % len(VALUES)]
        value, false = rng.choice(VALUES[what], size=2, replace=False).tolist()
        found.append(Fact(town, what, value, false, i % 3 != 0))
    return found


def crawl(
    given: Sequence[Fact], targets: Sequence[Fact], way: str, pages: int, dynamic: float, seed: int
) -> list[Page]:
    """The honest pages of all facts, and the attacker's about ``targets``.

    ``way`` is how the attacker comes in: "split-view" (pages of expired sites, honest when
    reviewed), "early" (his text is there at the review and stays) or "listed" (the same, on a
    listed site that anybody may edit).
    """
    rng = np.random.default_rng([seed, 72])
    honest = [
        page for fact in given for _ in range(pages) for page in [_honest(fact, dynamic, rng)]
    ]
    bad = [_bad(fact, way, rng) for fact in targets for _ in range(3 * pages)]
    return [(honest + bad)[i] for i in rng.permutation(len(honest) + len(bad))]


def _honest(fact: Fact, dynamic: float, rng: np.random.Generator) -> Page:
    kind, count = ("listed", LISTED) if fact.listed else ("small", SMALL)
    reviewed = fact.told(fact.value, str(rng.choice(TAILS)))
    changed = fact.told(fact.value, "and the page is new")
    return Page(
        f"{kind}{int(rng.integers(count))}",
        fact,
        reviewed,
        changed if rng.random() < dynamic else reviewed,
    )


def _bad(fact: Fact, way: str, rng: np.random.Generator) -> Page:
    poison = fact.told(fact.false, str(rng.choice(TAILS)))
    if way == "split-view":
        harmless = fact.told(fact.value, str(rng.choice(TAILS)))
        kind = "listed" if rng.random() < 0.5 else "expired"
        return Page(f"{kind}{int(rng.integers(EXPIRED))}", fact, harmless, poison, True)
    kind = "listed" if way == "listed" else "small"
    return Page(f"{kind}{int(rng.integers(EXPIRED))}", fact, poison, poison, True)
