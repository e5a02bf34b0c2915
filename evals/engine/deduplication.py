"""Ways to keep one copy of what a corpus repeats, and the one door to datasketch.

Exact copies; near copies by MinHash with locality-sensitive hashing (Broder 1997; Lee et al.
2022, arXiv:2107.06499), here by datasketch (MIT licence); repeated runs of words inside
otherwise different texts, the substring method of Lee et al.
"""

from __future__ import annotations

from collections.abc import Sequence

SHINGLE = 3  # words
HASHES = 64
RUN = 10  # words


def exact(texts: Sequence[str]) -> list[str]:
    """The first of every set of equal texts."""
    return list(dict.fromkeys(texts))


def near(texts: Sequence[str], threshold: float) -> list[str]:
    """Texts of which no earlier kept one has an estimated Jaccard overlap of ``threshold``."""
    from datasketch import MinHash, MinHashLSH

    index, kept = MinHashLSH(threshold=threshold, num_perm=HASHES), []
    for place, text in enumerate(exact(texts)):
        sketch = MinHash(num_perm=HASHES, seed=1)
        sketch.update_batch([shingle.encode() for shingle in shingles(text)])
        if not index.query(sketch):
            index.insert(str(place), sketch)
            kept.append(text)
    return kept


def shingles(text: str) -> list[str]:
    """All runs of ``SHINGLE`` words; the whole text where it is shorter."""
    words = text.split()
    return [" ".join(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))]


def substrings(texts: Sequence[str]) -> list[str]:
    """Texts without the words of any run of ``RUN`` that stood in an earlier text."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for text in exact(texts):
        words = text.split()
        runs = [tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)]
        cut = {i + k for i, run in enumerate(runs) if run in seen for k in range(RUN)}
        seen.update(runs)
        left = " ".join(word for i, word in enumerate(words) if i not in cut)
        if left:
            kept.append(left)
    return kept
