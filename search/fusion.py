"""This module makes one ranking out of two legs' scores.  Pure functions over aligned arrays."""

from __future__ import annotations

import numpy as np

from indexer import Scores

# A convex combination of normalised scores beats reciprocal rank fusion in and out of domain (Bruch, Gai and Ingber
# 2023, https://arxiv.org/abs/2210.11934).  Three quarters on the vectors: see benchmarks/results/quality.json.
SEMANTIC_WEIGHT = 0.75


def normalise(scores: Scores, floor: float) -> Scores:
    """Scores on a scale where ``floor`` is 0 and the best is 1; nothing falls below 0.

    The floor is what the leg gives a note that has nothing to do with the query, and is known before the query's
    results are: so a leg with a single hit keeps it at 1, and a leg that found nothing above it is 0 throughout
    (min-max over the results would make both 0).
    """
    best = float(scores.max(initial=floor))
    if best <= floor:
        return np.zeros_like(scores)
    scaled: Scores = np.clip((scores - np.float32(floor)) / np.float32(best - floor), 0, 1)
    return scaled


def convex(lexical: Scores, semantic: Scores, semantic_floor: float, weight: float = SEMANTIC_WEIGHT) -> Scores:
    """One score a note from its scores in both legs: float32, 0 to 1, aligned with the input.

    BM25's floor is 0, the score without a common word.  Where one leg is blind (nothing above its floor) the other
    decides alone.
    """
    words, meaning = normalise(lexical, 0.0), normalise(semantic, semantic_floor)
    if not words.any():
        return meaning
    if not meaning.any():
        return words
    mixed: Scores = np.float32(1 - weight) * words + np.float32(weight) * meaning
    return mixed
