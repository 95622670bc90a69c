"""This module keeps vectors at 2 bits a number, and finds the rows that are near so without reading their vectors."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.arrays import load_arrays, misfit, save_arrays
from indexer.bert import Vectors

# From this many notes on there are codes beside the matrix.  Measured by benchmarks/vectors.py: at 10,000 they save
# half a millisecond, and importing faiss (40 ms) would be for nothing.
CODES_THRESHOLD = 20_000
# Product quantisation (Jegou, Douze and Schmid 2011): 4 bits for each pair of neighbouring numbers, compared 32 vectors
# at a time from registers (Andre, Kermarrec and Le Scouarnec 2015).  Of 100,000 papers it finds in 1.5 ms 98.8 % of the
# 1,000 nearest, where an HNSW graph over 8-bit components needed 4.8 ms for 96.4 %, 7 times the memory and 12 times
# as long to be built, and differed from build to build.
_BITS = 4
_TRAINING_ROWS = 50_000  # at most, evenly spread; enough for 16 centres a pair
_BLOCK = 8192  # rows that are encoded at a time

_ARRAYS = {"centres": "<f4", "codes": "|u1"}


class Codes:
    """Vectors, each pair of numbers replaced by the nearest of 16 centres; safe to share between threads.

    One query is answered by one thread, so that equal queries find equal rows.
    """

    def __init__(self, centres: npt.NDArray[np.float32], codes: npt.NDArray[np.uint8]) -> None:
        self.centres = centres  # float32 [n_parts, 16, width], n_parts * width numbers a vector
        self.codes = codes  # uint8 [n_notes, half of n_parts, rounded up]; row i is note i, the first part lowest
        self._lock = Lock()
        self._packed: Any = None

    def __len__(self) -> int:
        return len(self.codes)

    def of(self, vectors: Vectors) -> npt.NDArray[np.uint8]:
        """The codes of other vectors, by the same centres."""
        quantiser = _exact(self.centres, self.codes[:0])  # its part `pq` does not keep it alive
        blocks = (vectors[begin : begin + _BLOCK] for begin in range(0, len(vectors), _BLOCK))
        found = [quantiser.pq.compute_codes(np.ascontiguousarray(block, dtype=np.float32)) for block in blocks]
        return np.concatenate([self.codes[:0], *found])

    def nearest(self, query: Vectors, count: int) -> npt.NDArray[np.int64]:
        """About the ``count`` rows nearest to ``query`` by inner product, ascending."""
        with self._lock:
            if self._packed is None:
                import faiss

                self._packed = faiss.IndexPQFastScan(_exact(self.centres, self.codes))
        _, found = self._packed.search(query[None, :], min(count, len(self)))
        return np.sort(found[0][found[0] >= 0]).astype(np.int64)


def compress(vectors: Vectors) -> Codes:
    """Learn centres for ``vectors`` and encode them; the same vectors give the same bytes on one machine, whatever the
    number of threads."""
    import faiss

    dim = vectors.shape[1]
    parts = dim // 2 if dim % 2 == 0 else dim
    learner = faiss.IndexPQ(dim, parts, _BITS, faiss.METRIC_INNER_PRODUCT)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # learning goes in steps too small to share: threads would wait for each other
    learner.train(np.ascontiguousarray(vectors[:: 1 + len(vectors) // _TRAINING_ROWS]))
    faiss.omp_set_num_threads(threads)
    centres = faiss.vector_to_array(learner.pq.centroids).reshape(parts, 1 << _BITS, dim // parts).copy()
    blank = Codes(centres, np.zeros((0, -(-parts // 2)), dtype=np.uint8))
    return Codes(centres, blank.of(vectors))


def _exact(centres: npt.NDArray[np.float32], codes: npt.NDArray[np.uint8]) -> Any:
    """The same as faiss has it before it packs codes for its registers.  It is handed arrays, and parses no file."""
    import faiss

    parts, _, width = centres.shape
    index = faiss.IndexPQ(parts * width, parts, _BITS, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector(np.ascontiguousarray(centres).ravel(), index.pq.centroids)
    index.is_trained = True
    if len(codes):
        index.add_sa_codes(np.ascontiguousarray(codes))
    return index


def save_codes(folder: Path, codes: Codes) -> None:
    """Write the arrays into the new folder ``folder``, one .npy each."""
    save_arrays(folder, codes, _ARRAYS)


def load_codes(folder: Path, n_notes: int, dim: int) -> Codes:
    """Memory-map what ``save_codes`` wrote; ValueError when the arrays fit not each other, ``n_notes`` and ``dim``."""
    found = Codes(**load_arrays(folder, _ARRAYS, "the codes of vectors"))
    shape = found.centres.shape
    if (
        len(shape) != 3
        or shape[1] != 1 << _BITS
        or shape[0] * shape[2] != dim
        or found.codes.shape != (n_notes, -(-shape[0] // 2))
    ):
        raise misfit("the codes of vectors")
    return found
