"""This module says how far a word is about something: as far as the notes that hold it are alike."""

from __future__ import annotations

import numpy as np

from indexer.bert import Vectors
from indexer.pairs import Spread

HOLDERS = 50  # notes at most that speak for a word
# A word is about something as far as the notes that hold it are alike (cosine in standard deviations, over their
# pairs): "curriculum" 1.8, "might" 0.4, "happens" -0.5.  From here on it counts in full, at 0 not at all.
_TELLING = 0.7
_DOUBT = 2  # pairs at the mean that every word is credited with, so that one pair alone does not speak for a word


def telling(vectors: Vectors, meaning: Spread) -> float:
    """How far a word is about something, 0 to 1: ``vectors`` float32 [n, dim] are unit rows of notes that hold it, at
    most ``HOLDERS``; ``meaning`` is the spread of cosines over the collection's pairs."""
    pairs = len(vectors) * (len(vectors) - 1) / 2
    total = vectors.sum(axis=0, dtype=np.float64)
    cosines = (float(total @ total) - len(vectors)) / 2
    alike = (cosines - pairs * meaning.mean) / meaning.deviation / (pairs + _DOUBT)
    return min(max(alike / _TELLING, 0.0), 1.0)
