"""Ordinary sentences for tiny corpora, put together by a seed from lists written for this project.

Prices, dates, scores, room numbers and well-known names stand among them, so that a filter
which takes every number or name for personal data pays for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

SLOTS: Mapping[str, tuple[str, ...]] = {
    "animal": ("dog", "cat", "horse", "fox", "goose", "rabbit", "donkey", "owl", "goat", "pony"),
    "food": ("bread", "soup", "rice", "cheese", "apples", "beans", "noodles", "salad", "plums",
             "pancakes", "carrots", "honey"),
    "thing": ("bicycle", "lamp", "table", "radio", "umbrella", "kettle", "ladder", "suitcase",
              "camera", "blanket", "guitar", "mirror", "bucket", "clock"),
    "colour": ("red", "blue", "green", "yellow", "grey", "brown", "white", "orange"),
    "room": ("kitchen", "garage", "garden", "cellar", "hall", "attic", "workshop", "library"),
    "who": ("the teacher", "a farmer", "the baker", "our neighbour", "the nurse", "a student",
            "the driver", "my aunt", "the painter", "a tourist", "the carpenter", "my brother"),
    "act": ("cleaned", "painted", "repaired", "sold", "borrowed", "carried", "dropped", "found"),
    "weather": ("sunny", "rainy", "windy", "foggy", "cold", "mild", "cloudy", "stormy"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "month": ("January", "March", "April", "June", "August", "October", "December"),
    "city": ("Lisbon", "Oslo", "Vienna", "Dublin", "Prague", "Athens", "Geneva", "Lyon", "Riga"),
    "subject": ("rivers", "bridges", "planets", "birds", "castles", "engines", "forests", "maps"),
    "famous": ("Mozart was born in Salzburg", "Darwin sailed on the Beagle",
               "Marie Curie worked in Paris", "Shakespeare lived in Stratford",
               "Newton wrote about light", "Galileo watched the moons of Jupiter"),
    "feeling": ("happy", "tired", "proud", "curious", "calm", "nervous", "hungry", "surprised"),
    "sport": ("football", "tennis", "chess", "rowing", "hockey", "running"),
    "vehicle": ("bus", "train", "ferry", "tram", "taxi", "van"),
}  # fmt: skip
FRAMES = (
    "{who} {act} the {colour} {thing} in the {room}.",
    "On {day} {who} {act} a {thing} and felt {feeling}.",
    "The {animal} slept beside the {colour} {thing} all {day}.",
    "The weather in {city} was {weather} in {month}.",
    "{who} bought {food} and {food} for {n} euros and {nn} cents.",
    "The {vehicle} to {city} leaves at {n}:{nn} on {day}.",
    "We read a book about {subject} and {subject} in the {room}.",
    "In {month} the {sport} club of {city} won by {n} to {n}.",
    "{famous}, as every book about {subject} says.",
    "The meeting on {day} is in room {nnn} next to the {room}.",
    "{who} likes {food} but never eats {food} on {day}.",
    "A {weather} {day} is good for {sport} in {city}.",
    "The {animal} and the {animal} ran past the {vehicle} in {city}.",
    "Order {nnnn} holds {n} pieces of {food} and one {colour} {thing}.",
    "When it is {weather}, {who} feels {feeling} and makes {food}.",
    "The museum of {subject} in {city} opened in 1{nnn} and has {nn} rooms.",
    "{who} left the {thing} in the {vehicle} to {city}.",
    "Spare part {nnn}-{nnn}-{nnnn} fits the {colour} {thing}.",
    "The film about {subject} is filed under {nnn}-{nn}-{nnnn} in the {room}.",
    "Please keep the {room} clean and put the {thing} near the {colour} {thing}.",
)
SLOT = re.compile(r"\{(\w+)\}")


def sentences(n: int, seed: int, part: str = "train") -> list[str]:
    """``n`` different sentences; another part of the same seed shares none by chance alone."""
    rng = np.random.default_rng([seed, *part.encode()])
    found: dict[str, None] = {}
    while len(found) < n:
        found[sentence(rng)] = None
    return list(found)


def sentence(rng: np.random.Generator) -> str:
    """One sentence: a frame with every slot filled."""
    frame = FRAMES[int(rng.integers(len(FRAMES)))]
    text = SLOT.sub(lambda slot: _filled(slot[1], rng), frame)
    return text[0].upper() + text[1:]


def _filled(slot: str, rng: np.random.Generator) -> str:
    if slot in SLOTS:
        return SLOTS[slot][int(rng.integers(len(SLOTS[slot])))]
    return str(int(rng.integers(10 ** (len(slot) - 1), 10 ** len(slot))))
