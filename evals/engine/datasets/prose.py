"""Prose that people wrote: paragraphs from the documentation inside installed libraries.

Nearly all of it was written before language models wrote manuals. Paragraphs of code, lists
and tables are left out. Two other kinds stand beside it: licences, which are formal and
repeat each other, and the Python reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path

LIBRARIES = {
    "numpy": ("numpy", "numpy"),
    "scipy": ("scipy", "scipy"),
    "scikit-learn": ("scikit-learn", "sklearn"),
    "statsmodels": ("statsmodels", "statsmodels"),
    "networkx": ("networkx", "networkx"),
    "sympy": ("sympy", "sympy"),
}
REFERENCE, LICENCES = "python-reference", "licences"
MIN_WORDS, MAX_WORDS = 40, 140
DOCSTRING = re.compile(r'"""(.*?)"""', re.S)
MARKUP = re.compile(
    r":[\w:]+:`~?([^`<]+?)(?: <[^>]*>)?`|`{1,2}([^`]+?)`{1,2}_{0,2}|\*{1,2}(\w[^*]*)\*{1,2}"
)
CODE = re.compile(r">>>|::|\.\. |\|{1}|\\|---|===|^\s*[-*#:@]|\w+\(\)|_\w+_|[{}$^~<>]|\d\.\d")


@lru_cache
def paragraphs(source: str, most: int = 600) -> tuple[str, ...]:
    """Up to ``most`` different paragraphs of a library, the reference or the licences."""
    found: dict[str, None] = {}
    for text in _texts(source):
        for part in re.split(r"\n\s*\n", text):
            clean = tidy(part)
            if is_prose(clean):
                found[clean] = None
        if len(found) >= most:
            break
    return tuple(found)[:most]


def tidy(part: str) -> str:
    """One paragraph on one line, its marks of emphasis and reference taken off."""
    plain = MARKUP.sub(lambda m: next(group for group in m.groups() if group), part)
    return " ".join(plain.split())


def is_prose(text: str) -> bool:
    """Whether a paragraph reads as sentences of the wanted length."""
    words = text.split()
    if not MIN_WORDS <= len(words) <= MAX_WORDS or CODE.search(text):
        return False
    letters = sum(c.isalpha() or c == " " for c in text) / len(text)
    return letters > 0.92 and text[0].isupper() and text[-1] == "."


def _texts(source: str) -> Iterator[str]:
    if source == REFERENCE:
        from pydoc_data import topics

        yield from topics.topics.values()
    elif source == LICENCES:
        yield from (_read(path) for path in _licences())
    else:
        package, folder = LIBRARIES[source]
        top = Path(str(distribution(package).locate_file(folder)))
        for path in sorted(top.rglob("*.py")):
            if "tests" not in path.parts and not path.name.startswith("test_"):
                yield from DOCSTRING.findall(_read(path))


def _licences() -> Iterator[Path]:
    site = Path(str(distribution("numpy").locate_file("")))
    yield from sorted(p for p in site.glob("*.dist-info/**/*") if "LICEN" in p.name.upper())


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="ignore") if path.is_file() else ""
