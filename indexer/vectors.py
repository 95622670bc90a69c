"""This module keeps the notes' vectors and finds the rows nearest to a query's."""

from __future__ import annotations

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


def load_ann(path: Path, n_notes: int) -> Any:
    """Open what ``build_ann`` wrote; ValueError when it holds another number of rows."""
    import faiss

    graph = faiss.read_index(str(path))
    if graph.ntotal != n_notes:
        raise ValueError(f"{path.name} holds {graph.ntotal} vectors, expected {n_notes}")
    return graph


def nearest(query: Vectors, vectors: Vectors, depth: int, rows: Rows | None = None, ann: Any | None = None) -> Rows:
    """The ``depth`` rows with the greatest inner product with ``query``, in no particular order; fewer if there are.

    ``rows`` (ascending) restricts the choice, and is then searched exactly; otherwise ``ann`` is asked where given.
    """
    if rows is not None:
        return rows[_greatest(vectors[rows] @ query, depth)]
    if ann is not None:
        import faiss

        settings = faiss.SearchParametersHNSW(efSearch=2 * depth)  # type: ignore[attr-defined]  # as above
        _, found = ann.search(query[None, :], depth, params=settings)
        return np.sort(found[0][found[0] >= 0]).astype(np.int64)
    return _greatest(vectors @ query, depth)


def _greatest(scores: npt.NDArray[np.float32], depth: int) -> Rows:
    if len(scores) <= depth:
        return np.arange(len(scores), dtype=np.int64)
    return np.argpartition(-scores, depth - 1)[:depth].astype(np.int64)
