"""This module ranks by words and by meaning together: a first mixture, a closer look at its best, and feedback."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from indexer import Home, Leg, Rows, Scores, Vectors, WeightedTokens
from search.fusion import SEEDS, combine, lexical_part, normalise, trust, with_feedback
from search.legs import Ranking, ranked, union

# Candidates for the closer look: so many of both legs together, and of each by itself (a full scan gains nothing).
CANDIDATES = 100
LEG_CANDIDATES = 25
LATE_SAMPLE = 64  # notes that give a query's background; 32 do as well as 128


def both_legs(
    index: Home,
    legs: Mapping[str, Ranking],
    terms: Leg,
    runs: Leg | None,
    ceiling: float,
    near: Leg,
    vector: Vectors,
    tokens: WeightedTokens | None,
) -> Ranking:
    """Both legs as one ranking of all notes that either retrieved.

    The best candidates are compared token by token, where there are ``tokens``, and the best of those speak for the
    notes related to them.  What lies deeper keeps its order, below them.  ``terms``, ``runs`` and ``near`` score
    notes by words, by runs of letters and by meaning, ``ceiling`` is the most that the query's terms could give;
    ``vector`` is the query's.
    """
    rows = union(*(leg.rows for leg in legs.values()))
    if not len(rows):
        return Ranking(rows, np.zeros(0, dtype=np.float32))
    # The query's mean cosine with all notes: what a note gets that has nothing to do with it.
    floor = float(vector @ index.centroid)
    counted = _all_scores(terms, legs["lexical"], rows)
    words = lexical_part(counted, None if runs is None else runs.of(rows))
    meaning = normalise(_all_scores(near, legs["semantic"], rows), floor)
    believed = trust(float(counted.max()), ceiling)
    first = ranked(index, rows, combine(words, meaning, None, believed))
    chosen = union(first.rows[:CANDIDATES], *(leg.rows[:LEG_CANDIDATES] for leg in legs.values()))
    places = np.searchsorted(rows, chosen)
    if index.late is not None and tokens is not None and len(tokens.vectors):
        background = index.late.scores(tokens, index.sample(LATE_SAMPLE))
        closer: Scores | None = normalise(index.late.scores(tokens, chosen), float(background.mean()))
    else:
        closer = None
    scores = combine(words[places], meaning[places], closer, believed)
    best = ranked(index, chosen, scores)
    best = ranked(index, best.rows, with_feedback(best.scores, index.affinities(best.rows[:SEEDS], best.rows)))
    at = np.minimum(np.searchsorted(chosen, first.rows), len(chosen) - 1)
    deeper = chosen[at] != first.rows
    rest = first.scores[deeper] - first.scores[deeper].max(initial=0) + best.scores.min() - np.float32(1e-3)
    return Ranking(
        np.concatenate([best.rows, first.rows[deeper]]), np.concatenate([best.scores, rest]).astype(np.float32)
    )


def _all_scores(leg: Leg, ranking: Ranking, rows: Rows) -> Scores:
    """What a leg says of ascending ``rows``, among which are those of its ``ranking``, whose scores are known."""
    found = np.empty(len(rows), dtype=np.float32)
    rest = np.ones(len(rows), dtype=np.bool_)
    known = np.searchsorted(rows, ranking.rows)
    found[known] = ranking.scores
    rest[known] = False
    found[rest] = leg.of(rows[rest])
    return found
