"""This module keeps the notes' vectors and finds the rows nearest to a query's.

Up to 20,000 notes every vector is compared.  Beyond, all of them are compared at 2 bits a number, which takes a
twentieth of the time, and the rows that are near so are compared in full.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]

# From this many notes on there are codes beside the matrix; so many rows, if a query allows no more, are compared in
# full all the same.  Measured by benchmarks/vectors.py: at 10,000 codes save half a millisecond, and importing faiss
# (40 ms) would be for nothing.
ANN_THRESHOLD = 20_000
# Product quantisation (Jegou, Douze and Schmid 2011): 4 bits for each pair of neighbouring numbers, compared 32 vectors
# at a time from registers (Andre, Kermarrec and Le Scouarnec 2015).  Of 100,000 papers it finds in 1.5 ms 98.8 % of the
# 1,000 nearest, where an HNSW graph over 8-bit components needed 4.8 ms for 96.4 %, 7 times the memory and 12 times
# as long to be built, and differed from build to build.
_BITS = 4
_TRAINING_ROWS = 50_000  # at most, evenly spread; enough for 16 centres a pair
_BLOCK = 8192  # rows that are copied at a time: 12 MB of MiniLM's, which stay in the processor's cache
# How many rows are compared in full for so many that are wanted: with twice as many 97.3 % are found, with 2.5 times
# 98.8 %, with four times 99.8 %; a few more for the shallow asks, where one row counts more.
_MORE, _EXTRA = 2.5, 50
_SPARE = 1.5  # the same behind a filter, which may let through less of what is near


def save_vectors(path: Path, vectors: npt.NDArray[np.floating[Any]]) -> None:
    """Write an array as .npy: float32, C order."""
    np.save(path, np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)


def load_vectors(path: Path, n_notes: int, dim: int) -> Vectors:
    """Memory-map what ``save_vectors`` wrote; ValueError when it is not float32 [n_notes, dim]."""
    vectors: Vectors = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    if vectors.shape != (n_notes, dim) or vectors.dtype != np.float32:
        raise ValueError(f"{path.name} holds {vectors.dtype} {vectors.shape}, expected float32 {(n_notes, dim)}")
    return vectors


class Ann:
    """Approximate search: rows that may be nearest to a query, found without reading their vectors.

    Safe to share between threads; one query is answered by one thread, so that equal queries find equal rows.
    """

    def __init__(self, codes: Any) -> None:
        self._codes = codes  # a faiss index; node i is row i

    def __len__(self) -> int:
        return int(self._codes.ntotal)

    def nearest(self, query: Vectors, count: int) -> Rows:
        """About the ``count`` rows nearest to ``query``, ascending."""
        import faiss

        # Indexes of earlier versions hold an HNSW graph, which must be told how many candidates to keep.
        graph = isinstance(self._codes, faiss.IndexHNSW)
        settings = faiss.SearchParametersHNSW(efSearch=count) if graph else None  # type: ignore[attr-defined]
        _, found = self._codes.search(query[None, :], min(count, len(self)), params=settings)
        return np.sort(found[0][found[0] >= 0]).astype(np.int64)


def build_ann(path: Path, vectors: Vectors) -> None:
    """Write the codes of ``vectors``; the same vectors give the same bytes, whatever the number of threads."""
    import faiss

    dim = vectors.shape[1]
    pairs = dim // 2 if dim % 2 == 0 else dim
    codes = faiss.IndexPQFastScan(dim, pairs, _BITS, faiss.METRIC_INNER_PRODUCT)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # learning goes in steps too small to share: threads would wait for each other
    codes.train(np.ascontiguousarray(vectors[:: 1 + len(vectors) // _TRAINING_ROWS]))
    faiss.omp_set_num_threads(threads)
    for begin in range(0, len(vectors), _BLOCK):
        codes.add(np.ascontiguousarray(vectors[begin : begin + _BLOCK]))
    faiss.write_index(codes, str(path))


def load_ann(path: Path, n_notes: int) -> Ann:
    """Open what ``build_ann`` wrote; ValueError when it holds another number of rows."""
    import faiss

    ann = Ann(faiss.read_index(str(path)))
    if len(ann) != n_notes:
        raise ValueError(f"{path.name} holds {len(ann)} vectors, expected {n_notes}")
    return ann


def products(query: Vectors, vectors: Vectors, rows: Rows) -> Scores:
    """The inner product of each row with ``query``, float32 [len(rows)]; each computed by itself, so it never depends
    on the other rows (matrices of another shape round differently)."""
    scores = np.empty(len(rows), dtype=np.float32)
    for begin in range(0, len(rows), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        scores[block] = np.einsum("ij,j->i", vectors.take(rows[block], axis=0), query)
    return scores


def nearest(
    query: Vectors, vectors: Vectors, depth: int, allowed: Mask | None = None, ann: Ann | None = None
) -> tuple[Rows, Scores]:
    """The ``depth`` rows with the greatest inner product with ``query``, in no particular order, fewer if there are;
    and their ``products``.

    ``allowed`` [n_notes] restricts the choice.  Exact, unless ``ann`` is given and there is a wide choice.
    """
    wanted = int(_MORE * depth) + _EXTRA
    if allowed is not None:
        rows = _promising(query, allowed, wanted, ann)
    elif ann is not None:
        rows = ann.nearest(query, wanted)
    else:
        rows = _greatest(vectors @ query, depth)
    scores = products(query, vectors, rows)
    best = _greatest(scores, depth)
    return rows[best], scores[best]


def _promising(query: Vectors, allowed: Mask, wanted: int, ann: Ann | None) -> Rows:
    """Rows among which the nearest of those allowed are, ascending: all, where they are few, or fewer near the query
    than elsewhere (what is far from a query, codes cannot tell apart)."""
    rows = np.flatnonzero(allowed).astype(np.int64)
    if ann is not None and len(rows) > ANN_THRESHOLD:
        near = ann.nearest(query, int(_SPARE * wanted * len(allowed) / len(rows)))
        near = near[allowed[near]]
        if len(near) >= wanted:
            return near
    return rows


def _greatest(scores: Scores, depth: int) -> Rows:
    if len(scores) <= depth:
        return np.arange(len(scores), dtype=np.int64)
    return np.argpartition(-scores, depth - 1)[:depth].astype(np.int64)
