"""This module learns from the notes themselves what a good answer's figures look like, for an honest "nothing fits"."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from indexer.bert import Vectors
from indexer.impacts import Scores
from indexer.pairs import evenly_spread

# How many of the best notes must be near for a query to have support: one alone may be near by accident (the area
# under the ROC curve between judged and off-topic queries is 0.977 with one, 0.985 with five).
BEST = 5
_SAMPLE = 500
_BLOCK = 4096  # notes compared at a time
# Below this many notes a percentile of them says nothing.
_LEAST_NOTES = 30


@dataclass(frozen=True, slots=True)
class Calibration:
    """Support (see ``support``) from which an answer is strong, and below which it is weak."""

    strong: float
    weak: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def support(best: Scores, query: Vectors, centroid: Vectors) -> float:
    """How much the collection has to say on a query: the mean of its ``BEST`` greatest cosines (``best``, fewer in a
    smaller collection), plus its cosine-like product with the centroid, which tells whether it is on the collection's
    subject at all (0.990 with it)."""
    return float(best.mean(dtype=np.float64)) + float(query @ centroid) if len(best) else 0.0


def calibrate(vectors: Vectors, centroid: Vectors) -> Calibration | None:
    """What support means here, from up to 500 notes asked as queries against all others; None below 30 notes.

    Strong: what 99 of 100 notes have, each of which certainly is on the collection's subjects.  Weak: the likeness
    of two notes taken at random.
    """
    if len(vectors) < _LEAST_NOTES:
        return None
    rows = evenly_spread(len(vectors), _SAMPLE)
    asked = np.ascontiguousarray(vectors[rows])
    best = np.full((len(rows), BEST), -np.inf, dtype=np.float32)
    for begin in range(0, len(vectors), _BLOCK):
        scores = asked @ vectors[begin : begin + _BLOCK].T
        own = np.flatnonzero((rows >= begin) & (rows < begin + _BLOCK))
        scores[own, rows[own] - begin] = -np.inf
        best = np.partition(np.hstack([best, scores]), -BEST, axis=1)[:, -BEST:]
    supports = [support(found, vector, centroid) for found, vector in zip(best, asked, strict=True)]
    # The mean over all others: that over all notes, less the note's own part.
    own_parts = np.einsum("ij,ij->i", asked, asked, dtype=np.float64)
    means = (len(vectors) * (asked @ centroid.astype(np.float64)) - own_parts) / (len(vectors) - 1)
    return Calibration(float(np.quantile(supports, 0.01)), float(np.mean(means)))
