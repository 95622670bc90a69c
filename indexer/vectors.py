"""This module keeps the notes' vectors and finds the rows nearest to a query's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors

Rows = npt.NDArray[np.int64]

# From this many notes on an HNSW graph is built beside the matrix.  Measured by benchmarks/vectors.py: the graph takes
# a third of the time of reading the matrix at 30,000 notes and a tenth at 100,000; at 10,000 they are equal, and
# importing faiss (100 ms) would be for nothing.
ANN_THRESHOLD = 20_000
# HNSW (Malkov and Yashunin 2018) over 8-bit components: links a node, and candidates kept while building.
_LINKS = 32
_EF_CONSTRUCTION = 100
_TRAINING_ROWS = 50_000  # enough to set the range of each 8-bit component


def save_vectors(path: Path, vectors: npt.NDArray[np.floating[Any]]) -> None:
    """Write an array as .npy: float32, C order."""
    np.save(path, np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)


def load_vectors(path: Path, n_notes: int, dim: int) -> Vectors:
    """Memory-map what ``save_vectors`` wrote; ValueError when it is not float32 [n_notes, dim]."""
    vectors: Vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    if vectors.shape != (n_notes, dim) or vectors.dtype != np.float32:
        raise ValueError(f"{path.name} holds {vectors.dtype} {vectors.shape}, expected float32 {(n_notes, dim)}")
    return vectors


def build_ann(path: Path, vectors: Vectors) -> None:
    """Write the HNSW graph over ``vectors``; row i of the graph is row i of the matrix."""
    import faiss

    # The stubs of faiss know one constructor only, without arguments for the quantiser.
    kind = faiss.ScalarQuantizer.QT_8bit
    graph = faiss.IndexHNSWSQ(vectors.shape[1], kind, _LINKS, faiss.METRIC_INNER_PRODUCT)  # type: ignore[arg-type]
    graph.hnsw.efConstruction = _EF_CONSTRUCTION
    graph.train(np.ascontiguousarray(vectors[:_TRAINING_ROWS]))
    graph.add(np.ascontiguousarray(vectors))
    faiss.write_index(graph, str(path))


@dataclass(frozen=True, slots=True)
class Ann:
    """An HNSW graph, and what changed since it was built."""

    graph: Any
    rows: Rows  # int64 [n_nodes] the row of each node; -1 where its note is gone
    later: Rows  # the rows that no node stands for, ascending

    def search(self, query: Vectors, depth: int) -> Rows:
        """About ``depth`` rows of the greatest inner products with ``query``, and all ``later`` ones; ascending."""
        import faiss

        wanted = depth + min(depth, int((self.rows < 0).sum()))  # for those that are gone
        settings = faiss.SearchParametersHNSW(efSearch=2 * wanted)  # type: ignore[attr-defined]  # as below
        _, nodes = self.graph.search(query[None, :], wanted, params=settings)
        rows = self.rows[nodes[0][nodes[0] >= 0]]
        return np.sort(np.concatenate([rows[rows >= 0], self.later]))


def load_ann(path: Path, n_notes: int, rows: Rows | None = None) -> Ann:
    """Open what ``build_ann`` wrote; node i stands for ``rows[i]``, or for row i.  ValueError when they do not fit."""
    import faiss

    graph = faiss.read_index(str(path))
    rows = np.arange(n_notes, dtype=np.int64) if rows is None else rows
    known = rows[rows >= 0]
    if graph.ntotal != len(rows) or len(np.unique(known)) != len(known) or (known >= n_notes).any():
        raise ValueError(f"{path.name} holds {graph.ntotal} vectors, expected {n_notes}")
    return Ann(graph, rows, np.setdiff1d(np.arange(n_notes), known))


def nearest(query: Vectors, vectors: Vectors, depth: int, rows: Rows | None = None, ann: Ann | None = None) -> Rows:
    """The ``depth`` rows with the greatest inner product with ``query``, in no particular order; fewer if there are.

    ``rows`` (ascending) restricts the choice, and is then searched exactly; otherwise ``ann`` is asked where given.
    """
    if rows is not None:
        return rows[_greatest(vectors[rows] @ query, depth)]
    if ann is not None:
        found = ann.search(query, depth)
        return found if len(found) <= depth else np.sort(found[_greatest(vectors[found] @ query, depth)])
    return _greatest(vectors @ query, depth)


def _greatest(scores: npt.NDArray[np.float32], depth: int) -> Rows:
    if len(scores) <= depth:
        return np.arange(len(scores), dtype=np.int64)
    return np.argpartition(-scores, depth - 1)[:depth].astype(np.int64)
