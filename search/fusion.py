"""This module makes one ranking out of two legs' scores.  Pure functions over aligned arrays."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from indexer import Scores

# Shares in a linear combination of normalised scores, which beats reciprocal rank fusion in and out of domain (Bruch,
# Gai and Ingber 2023, https://arxiv.org/abs/2210.11934): words, meaning, and late interaction, and what the first two
# have where notes keep no token vectors.  Words have theirs in full only where the best note holds all that was asked
# (see `trust`).  Chosen on the training parts of SciFact and NFCorpus with Cranfield and the judged notes; flat around
# it: 0.3 to 0.5 on words and 0.3 to 0.5 on late interaction differ by less than 0.006.
WORDS, MEANING, LATE = 0.45, 0.16, 0.39
WORDS_OF_TWO, MEANING_OF_TWO = 0.64, 0.36
# What runs of letters count beside whole terms; 0.2 to 0.65 differ little.
_RUNS = 0.5
# Feedback: how many of the best notes speak, how sharply the first outweigh the next, and how much they are heard.
SEEDS = 10
_TEMPERATURE = 0.025
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


def trust(best: float, ceiling: float) -> float:
    """How far the words of this query are to be believed, 0 to 1: the square root of the best note's BM25 over the
    most that the query could give.

    Keywords reach half of it and more; an idea recalled in other words shares a tenth of its words with whatever
    comes first, by accident.  1 where there is nothing to compare with (``ceiling`` 0: prefixes alone were asked).
    """
    return math.sqrt(min(best / ceiling, 1.0)) if ceiling > 0 else 1.0


def combine(words: Scores, meaning: Scores, tokens: Scores | None, believed: float) -> Scores:
    """One score a note from its parts, each 0 to 1: float32, aligned with the input.

    ``tokens`` is late interaction, above what notes taken at random have; None where there is none.  ``believed`` is
    the `trust` in words.  A blind part is 0 throughout and leaves the order to the others.
    """
    if tokens is None:
        pair: Scores = np.float32(WORDS_OF_TWO * believed) * words + np.float32(MEANING_OF_TWO) * meaning
        return pair
    mixed: Scores = np.float32(WORDS * believed) * words + np.float32(MEANING) * meaning + np.float32(LATE) * tokens
    return mixed


def with_feedback(scores: Scores, affinities: npt.NDArray[np.float32]) -> Scores:
    """Let the best notes speak for the notes related to them: float32, the best 1, aligned with ``scores``.

    A note that is unlike the best ones may fall below 0.  Where the best of ``scores`` is not above 0 they stay as they
    are.  ``scores`` are descending; ``affinities`` [n_seeds, n] say how related each of the first n_seeds notes is to
    every note, its own place being ignored.  Relevant notes are related to each other (the cluster hypothesis), so

        p     = softmax(scores of the seeds / max / 0.025)
        F(i)  = sum over seeds j of p_j affinity(j, i),  a seed being as related to itself as its nearest note is
        final = 0.7 scores / max + 0.3 max(-1, F / max(F, 1)),  scaled so that the best has 1

    Affinities are in standard deviations above a random pair of notes: where none of the notes is related to another
    by as much as one, hardly any is heard, and none falls further than a related one rises.

    The sharp softmax follows the query: where one note stands out its neighbours alone are heard, where many are
    good all of them are.  Compare score regularisation (Diaz 2005) and adaptive re-ranking (MacAvaney et al. 2022).
    """
    if not len(scores) or scores[0] <= 0:
        return scores
    seeds = np.arange(len(affinities))
    related = affinities.copy()
    related[seeds, seeds] = -np.inf
    related[seeds, seeds] = related.max(axis=1)
    shares = np.exp((scores[: len(seeds)] / scores[0] - 1) / np.float32(_TEMPERATURE))
    heard = (shares / shares.sum()) @ related
    heard = np.maximum(heard / np.float32(max(heard.max(), 1.0)), np.float32(-1.0))
    final: Scores = np.float32(1 - _FEEDBACK_WEIGHT) * scores / scores[0] + np.float32(_FEEDBACK_WEIGHT) * heard
    scaled: Scores = (final / final.max()).astype(np.float32)
    return scaled
