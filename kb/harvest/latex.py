"""TeX as text: accents and commands become characters, formulas and ligatures stay."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

# What makes typographic signs of plain ones would change titles that mean the plain ones.
LEFT_OUT = ["nonascii-specials"]
# The one command whose usual reading is another character than the one it stands for.
EXACT = {r"\textasciicircum{}": "^", r"\textasciitilde{}": "~"}
MARK = "\ue000"


def plain(text: str) -> str:
    """The text without TeX: ``{\\'E}tude \\& {AI}`` is "Étude & AI"."""
    if "\\" not in text:
        return _untied(re.sub(r"[{}]", "", text))
    held: list[str] = []
    for command, sign in EXACT.items():
        while command in text:
            held.append(sign)
            text = text.replace(command, f"{MARK}{len(held) - 1}{MARK}", 1)
    try:
        found = _converted(re.sub(r"(?<!\\)%", r"\\%", _untied(text)))
    except Exception:  # a text that is no TeX after all; the library has many errors
        found = re.sub(r"(?<!\\)[{}]", "", text)
    return re.sub(f"{MARK}(\\d+){MARK}", lambda match: held[int(match.group(1))], found)


def _untied(text: str) -> str:
    """With the tie between two words as the space that it is."""
    return re.sub(r"(?<!\\)~", " ", text)


def _converted(text: str) -> str:
    walker, tree, to_text = _tools()
    nodes, _, _ = walker(text, latex_context=tree, tolerant_parsing=True).get_latex_nodes()
    return str(to_text.nodelist_to_text(nodes))


@lru_cache(maxsize=1)
def _tools() -> tuple[Any, Any, Any]:
    from pylatexenc import latex2text, latexwalker

    tree = latexwalker.get_default_latex_context_db()
    signs = latex2text.get_default_latex_context_db()
    return (
        latexwalker.LatexWalker,
        tree.filter_context(exclude_categories=LEFT_OUT),
        latex2text.LatexNodes2Text(
            latex_context=signs.filter_context(exclude_categories=LEFT_OUT),
            math_mode="verbatim",
            keep_comments=True,
        ),
    )


def split_names(text: str) -> list[str]:
    """The names of a BibTeX list: parted by ``and`` outside of braces."""
    names, depth, start = [], 0, 0
    for match in re.finditer(r"\\.|[{}]|\s+and(?=\s)", text + " ", re.I | re.S):
        sign = match.group()
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth == 0 and sign[0].isspace():
            names.append(text[start : match.start()])
            start = match.end()
    return [name.strip() for name in [*names, text[start:]] if name.strip()]


def name_of(name: str) -> str:
    """A name as people write it: ``Neumann, Jr., John von`` is "John von Neumann, Jr."."""
    if name.lower() == "others":
        return "et al."
    if name.startswith("{") and name.endswith("}") and _closes_last(name):
        return plain(name)
    return plain(turned(_parts(name)))


def turned(parts: list[str]) -> str:
    """[last, first] or [last, suffix, first] in the order in which it is spoken."""
    if len(parts) == 2:
        return f"{parts[1]} {parts[0]}".strip()
    if len(parts) == 3:
        return f"{parts[2]} {parts[0]}, {parts[1]}".strip()
    return ", ".join(parts)


def _parts(name: str) -> list[str]:
    """A name at its commas outside of braces."""
    parts, depth = [""], 0
    for character in name:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _closes_last(name: str) -> bool:
    """Whether the first brace is closed by the last one."""
    depth = 0
    for place, character in enumerate(name):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return place == len(name) - 1
    return False
