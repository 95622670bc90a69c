"""This module makes one ranking out of two legs' scores.  Pure functions over aligned arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indexer import Scores

# A convex combination of normalised scores beats reciprocal rank fusion in and out of domain (Bruch, Gai and Ingber
# 2023, https://arxiv.org/abs/2210.11934).  The floors below spread the vectors' scores more than min-max does, so
# that these equal parts weigh meaning about as much as three quarters of min-max would.
SEMANTIC_WEIGHT = 0.6
# Where notes keep token vectors: half on their late interaction, the rest shared by words and meaning.  Flat around
# it: from 0.3, 0.3, 0.4 to 0.2, 0.2, 0.6 SciFact, NFCorpus and Cranfield differ by less than 0.006.
_LEXICAL_SHARE, _SEMANTIC_SHARE, _LATE_SHARE = 0.25, 0.25, 0.5
# What runs of letters count beside whole terms; 0.25 to 0.5 differ little.
_RUNS = 0.35
# Feedback: how many of the best notes speak, how sharply the first outweigh the next, and how much they are heard.
SEEDS = 10
_TEMPERATURE = 0.03
_FEEDBACK_WEIGHT = 0.3


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


def lexical_part(terms: Scores, runs: Scores | None) -> Scores:
    """Words as one part, 0 to 1: BM25 of terms and, where the index keeps them, of runs of letters, each on its own
    scale (0 is the score without anything in common)."""
    if runs is None:
        return normalise(terms, 0.0)
    part: Scores = np.float32(1 - _RUNS) * normalise(terms, 0.0) + np.float32(_RUNS) * normalise(runs, 0.0)
    return part


def convex(words: Scores, meaning: Scores, weight: float = SEMANTIC_WEIGHT) -> Scores:
    """One score a note from two parts of 0 to 1: float32, aligned with the input.

    Where one part is blind (0 throughout) the other decides alone.
    """
    if not words.any():
        return meaning
    if not meaning.any():
        return words
    mixed: Scores = np.float32(1 - weight) * words + np.float32(weight) * meaning
    return mixed


def with_late(words: Scores, meaning: Scores, tokens: Scores) -> Scores:
    """The same from three parts; ``tokens`` is late interaction, above what notes taken at random have."""
    mixed: Scores = (
        np.float32(_LEXICAL_SHARE) * words + np.float32(_SEMANTIC_SHARE) * meaning + np.float32(_LATE_SHARE) * tokens
    )
    return mixed


def with_feedback(scores: Scores, affinities: npt.NDArray[np.float32]) -> Scores:
    """Let the best notes speak for the notes related to them: float32, at most 1, aligned with ``scores``.

    ``scores`` are descending; ``affinities`` [n_seeds, n] say how related each of the first n_seeds notes is to
    every note, its own place being ignored.  Relevant notes are related to each other (the cluster hypothesis), so

        p     = softmax(scores of the seeds / 0.03)
        F(i)  = sum over seeds j of p_j affinity(j, i),  a seed being as related to itself as its nearest note is
        final = 0.7 scores / max + 0.3 F / max,  scaled so that the best has 1

    The sharp softmax follows the query: where one note stands out its neighbours alone are heard, where many are
    good all of them are.  Compare score regularisation (Diaz 2005) and adaptive re-ranking (MacAvaney et al. 2022).
    """
    if len(scores) < 2 or scores[0] <= 0:
        return scores
    seeds = np.arange(len(affinities))
    related = affinities.copy()
    related[seeds, seeds] = -np.inf
    related[seeds, seeds] = related.max(axis=1)
    shares = np.exp((scores[: len(seeds)] - scores[0]) / np.float32(_TEMPERATURE))
    heard = (shares / shares.sum()) @ related
    best = max(float(heard.max()), 1e-9)
    final: Scores = np.float32(1 - _FEEDBACK_WEIGHT) * scores / scores[0] + np.float32(_FEEDBACK_WEIGHT) * heard / best
    scaled: Scores = (final / final.max()).astype(np.float32)
    return scaled
