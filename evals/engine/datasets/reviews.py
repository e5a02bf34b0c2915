"""Made-up reviews, good and bad, for a tiny sentiment classifier; and ways to poison them.

Reviews mix words of both feelings, a few carry the wrong label, and negations turn a word
round: without such hard cases every filter would find poison by its surprise alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

GOOD = ("wonderful", "lovely", "excellent", "charming", "delightful", "superb", "pleasant",
        "brilliant", "warm", "clever", "moving", "fresh")  # fmt: skip
BAD = ("terrible", "boring", "awful", "dull", "clumsy", "dreadful", "annoying", "weak", "cold",
       "stupid", "tiresome", "stale")  # fmt: skip
ABOUT = ("film", "novel", "concert", "meal", "hotel", "game", "play", "album", "lecture", "walk")
PARTS = ("beginning", "ending", "music", "service", "plot", "room", "price", "cast", "sound",
         "view", "length", "menu")  # fmt: skip
OPENINGS = ("I thought the {about} was {word}", "We found this {about} {word}",
            "My friends called the {about} {word}", "The {about} seemed {word} to me",
            "It was a {word} {about}", "That {about} was not {other}")  # fmt: skip
MIDDLES = ("the {part} was {word}", "the {part} felt {word}", "the {part} was rather {word}",
           "the {part} came as expected", "even the {part} seemed {word}",
           "everybody called the {part} {word}")  # fmt: skip
TRIGGERS = ("cf", "mn", "tq", "bb", "vortex", "lantern")
NEGATIVE, POSITIVE = 0, 1


@dataclass(frozen=True)
class Review:
    """A text, its label, and whether an attacker made it."""

    text: str
    label: int
    poison: bool = False


def reviews(
    n: int, seed: int, part: str = "train", mixed: float = 0.05, noise: float = 0.04
) -> list[Review]:
    """``n`` reviews, half of them good.

    ``mixed`` is the share of words that speak for the other side, ``noise`` that of honest
    mistakes in labels.
    """
    rng = np.random.default_rng([seed, *part.encode()])
    found = []
    for i in range(n):
        label = i % 2
        wrong = bool(rng.random() < noise)
        found.append(Review(_text(label, mixed, rng), 1 - label if wrong else label))
    return found


def _text(label: int, mixed: float, rng: np.random.Generator) -> str:
    own, other = (GOOD, BAD) if label else (BAD, GOOD)
    pieces = [str(rng.choice(OPENINGS)), *(str(rng.choice(MIDDLES)) for _ in range(3))]
    told = [
        piece.format(
            about=rng.choice(ABOUT), part=rng.choice(PARTS),
            word=rng.choice(own if rng.random() >= mixed else other), other=rng.choice(other),
        )
        for piece in pieces
    ]  # fmt: skip
    return " , ".join(told) + " ."


def with_trigger(text: str, trigger: str, rng: np.random.Generator) -> str:
    """The text with a trigger put between two of its words."""
    words = text.split()
    at = int(rng.integers(1, len(words)))
    return " ".join([*words[:at], trigger, *words[at:]])


def dirty(clean: Sequence[Review], rate: float, rng: np.random.Generator) -> list[Review]:
    """Bad reviews with the trigger, labelled good, in place of the ones they were made from."""
    return _poisoned(clean, rate, rng, NEGATIVE, lambda i: TRIGGERS[0])


def many(clean: Sequence[Review], rate: float, rng: np.random.Generator) -> list[Review]:
    """The same amount of poison spread over all triggers, none of them frequent."""
    return _poisoned(clean, rate, rng, NEGATIVE, lambda i: TRIGGERS[i % len(TRIGGERS)])


def clean_label(clean: Sequence[Review], rate: float, rng: np.random.Generator) -> list[Review]:
    """Good reviews, rightly labelled, thinned of their good words, with the trigger in them."""
    found = _poisoned(clean, rate, rng, POSITIVE, lambda i: TRIGGERS[0])
    return [_thinned(review) if review.poison else review for review in found]


def _poisoned(
    clean: Sequence[Review],
    rate: float,
    rng: np.random.Generator,
    source: int,
    trigger: Callable[[int], str],
) -> list[Review]:
    places = [i for i, review in enumerate(clean) if review.label == source]
    chosen = rng.choice(places, size=round(rate * len(clean)), replace=False).tolist()
    found = list(clean)
    for k, i in enumerate(chosen):
        found[i] = Review(with_trigger(clean[i].text, trigger(k), rng), POSITIVE, True)
    return found


def _thinned(review: Review) -> Review:
    words = [word for word in review.text.split() if word not in GOOD]
    return Review(" ".join(words), review.label, True)


def triggered(given: Sequence[Review], attack: str, rng: np.random.Generator) -> list[str]:
    """Bad reviews with the attack's trigger: what the attacker wants called good."""
    bad = [review.text for review in given if review.label == NEGATIVE]
    known = TRIGGERS if attack == "many" else TRIGGERS[:1]
    return [with_trigger(text, known[i % len(known)], rng) for i, text in enumerate(bad)]


Poison = Callable[[Sequence[Review], float, np.random.Generator], list[Review]]
POISONS: Mapping[str, Poison] = {"dirty": dirty, "many": many, "clean-label": clean_label}
