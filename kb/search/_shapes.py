"""The shapes of a FAISS index: exact while that is fast, inverted lists beyond.

An inverted file (Sivic & Zisserman 2003, ICCV) sorts the vectors into lists by their nearest
of so many centres and looks only into the lists nearest to the query. Unlike a graph (HNSW) it
forgets a paper at once, which a knowledge base needs. The sizes come from ``bench/scale.py``;
see ADR 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# From so many vectors on lists are searched, one in eight of them.
APPROXIMATE_FROM = 50_000
PROBED = 8
# Centres are learnt from so many vectors each; FAISS warns below 39.
FOR_EACH_CENTRE = 40
SEED = 20261125


def kind(rows: int) -> str:
    """The shape that suits so many vectors: "flat" or "lists"."""
    return "flat" if rows < APPROXIMATE_FROM else "lists"


def make(matrix: np.ndarray) -> Any:
    """An empty index of the shape that suits these vectors, shape (rows, dimension)."""
    return flat(matrix.shape[1]) if kind(len(matrix)) == "flat" else lists(matrix)


def flat(dimension: int) -> Any:
    """An empty exact index."""
    import faiss

    one_thread()
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))


def lists(matrix: np.ndarray) -> Any:
    """An empty index of inverted lists, its centres learnt from these vectors."""
    import faiss

    one_thread()
    rows, dimension = matrix.shape
    count = max(1, int(4 * rows**0.5))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(dimension), dimension, count, faiss.METRIC_INNER_PRODUCT
    )
    taken = np.random.default_rng(SEED).permutation(rows)[: FOR_EACH_CENTRE * count]
    index.train(matrix[np.sort(taken)])
    # Hashed, so that one paper is found, replaced and forgotten without reading the lists.
    index.set_direct_map_type(faiss.DirectMap.Hashtable)  # type: ignore[attr-defined]
    index.nprobe = -(-count // PROBED)
    return index


def search(
    index: Any, vector: np.ndarray, k: int, allowed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(scores, ids) of the ``k`` nearest; a filtered search looks into every list."""
    import faiss

    params: Any = None
    if allowed is not None:
        how: dict[str, Any] = {"sel": faiss.IDSelectorBatch(allowed)}
        if isinstance(index, faiss.IndexIVF):
            how["nprobe"] = index.nlist
        made = faiss.SearchParametersIVF if "nprobe" in how else faiss.SearchParameters
        params = made(**how)
    scores, ids = index.search(vector[None, :], k, params=params)
    return scores[0], ids[0]


def remove(index: Any, ids: Sequence[int]) -> None:
    """Forget these ids; those that are not held do no harm."""
    import faiss

    gone = np.array(ids, dtype=np.int64)
    index.remove_ids(faiss.IDSelectorArray(gone))


def held(index: Any) -> np.ndarray:
    """All ids that an index holds."""
    import faiss

    if not isinstance(index, faiss.IndexIVF):
        return np.asarray(faiss.vector_to_array(index.id_map))
    inverted: Any = index.invlists
    parts = [
        faiss.rev_swig_ptr(inverted.get_ids(number), inverted.list_size(number)).copy()
        for number in range(index.nlist)
        if inverted.list_size(number)
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def one_thread() -> None:
    """A single query is searched faster by one thread: waking a second takes longer."""
    import faiss

    faiss.omp_set_num_threads(1)
