"""This module keeps the notes' vectors and finds the rows nearest to a query's.

Below 20,000 notes every vector is compared.  From there on, all of them are compared at 2 bits a number, which takes a
twentieth of the time, and the rows that are near so are compared in full.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors
from indexer.codes import CODES_THRESHOLD, Codes

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]

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


def products(query: Vectors, vectors: Vectors, rows: Rows) -> Scores:
    """The inner product of each row with ``query``, float32 [len(rows)]; each computed by itself, so it never depends
    on the other rows (matrices of another shape round differently)."""
    scores = np.empty(len(rows), dtype=np.float32)
    for begin in range(0, len(rows), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        scores[block] = np.einsum("ij,j->i", vectors.take(rows[block], axis=0), query)
    return scores


def nearest(
    query: Vectors, vectors: Vectors, depth: int, allowed: Mask | None = None, codes: Codes | None = None
) -> tuple[Rows, Scores]:
    """The ``depth`` rows with the greatest inner product with ``query``, in no particular order, fewer if there are;
    and their ``products``.

    ``allowed`` [n_notes] restricts the choice.  Exact, unless ``codes`` are given and there is a wide choice.
    """
    wanted = int(_MORE * depth) + _EXTRA
    if allowed is not None:
        rows = _promising(query, allowed, wanted, codes)
    elif codes is not None:
        rows = codes.nearest(query, wanted)
    else:
        rows = _greatest(vectors @ query, depth)
    scores = products(query, vectors, rows)
    best = _greatest(scores, depth)
    return rows[best], scores[best]


def _promising(query: Vectors, allowed: Mask, wanted: int, codes: Codes | None) -> Rows:
    """Rows among which the nearest of those allowed are, ascending: all, where they are few, or fewer near the query
    than elsewhere (what is far from a query, codes cannot tell apart)."""
    rows = np.flatnonzero(allowed).astype(np.int64)
    if codes is not None and len(rows) > CODES_THRESHOLD:
        near = codes.nearest(query, int(_SPARE * wanted * len(allowed) / len(rows)))
        near = near[allowed[near]]
        if len(near) >= wanted:
            return near
    return rows


def _greatest(scores: Scores, depth: int) -> Rows:
    if len(scores) <= depth:
        return np.arange(len(scores), dtype=np.int64)
    return np.argpartition(-scores, depth - 1)[:depth].astype(np.int64)
