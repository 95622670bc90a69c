"""This module finds the notes with the greatest scores for a query's terms without adding up what cannot reach them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from indexer.impacts import Impacts, Scores
from indexer.vectors import Mask, Rows

# Below so many postings adding up all of them takes less time than asking which matter.
_MANY = 100_000
# Looking a row up among a term's postings takes as long as adding so many postings to the scores of all notes.
_LOOKUP = 8


def best(
    impacts: Impacts, weights: Mapping[int, float], depth: int, allowed: Mask | None = None
) -> tuple[Rows, Scores]:
    """The rows with the ``depth`` greatest scores above 0 among those ``allowed``, and all that equal the last of
    them: int64, distinct, in no particular order; and their scores, bit by bit those of ``Impacts.scores``.

    ``weights`` are those of terms by number, all above 0.
    """
    sizes = impacts.sizes(weights)
    if len(sizes) == 1 and allowed is None:
        ((number, weight),) = weights.items()
        postings, values = impacts.postings(number)
        return _greatest(postings.astype(np.int64), np.float32(weight) * values, depth)
    if allowed is not None and int(np.count_nonzero(allowed)) <= depth:
        rows = np.flatnonzero(allowed).astype(np.int64)
        scores = scores_at(impacts, weights, rows)
    elif sum(sizes) < _MANY:
        every = impacts.scores(weights)
        rows = np.flatnonzero(every).astype(np.int64)
        if allowed is not None:
            rows = rows[allowed[rows]]
        return _greatest(rows, every[rows], depth)
    else:
        rows = np.sort(_contenders(impacts, weights, depth, allowed))
        scores = scores_at(impacts, weights, rows)
    found = scores > 0
    return _greatest(rows[found], scores[found], depth)


def scores_at(impacts: Impacts, weights: Mapping[int, float], rows: Rows) -> Scores:
    """``impacts.scores(weights)[rows]``, without scoring the others; ``rows`` ascending."""
    total = np.zeros(len(rows), dtype=np.float32)
    for number, weight in weights.items():
        places, values = _looked_up(impacts, number, rows)
        total[places] += np.float32(weight) * values
    return total


def _contenders(impacts: Impacts, weights: Mapping[int, float], depth: int, allowed: Mask | None) -> Rows:
    """Rows among which those with the ``depth`` greatest scores are, each once.

    The rarest terms are added up first.  The score that ``depth`` rows have by then is one that the best have at least;
    a row that lacks them all must reach it by the other terms alone.  Where these cannot give so much, no further row
    is looked at (MaxScore, Turtle and Flood 1995, a term at a time), and those that are left fall out one after the
    other, as soon as what is missing cannot lift them any more.
    """
    order = sorted(weights, key=lambda number: (impacts.sizes([number])[0], number))
    most = {number: weights[number] * float(impacts.postings(number)[1].max()) for number in order}
    # Sums in another order differ in the last bits.
    slack = 1 + (len(order) + 2) * float(np.finfo(np.float32).eps)
    left = sum(most.values()) * slack
    total = np.zeros(impacts.n_notes, dtype=np.float32)
    touched: list[npt.NDArray[np.int32]] = []
    rows: npt.NDArray[np.int32] | None = None  # all rows that can still be among the best, once that is known
    n_touched = 0
    for number in order:
        postings, values = impacts.postings(number)
        if rows is None and n_touched >= depth and len(postings) >= n_touched:
            seen = _among(np.concatenate(touched), allowed)
            least = _least(total[seen], depth) / slack
            if left < least:
                rows = np.sort(seen)
        if rows is not None:
            scores = total[rows]
            rows = rows[scores * slack + left >= _least(scores, depth) / slack]
        if rows is not None and _LOOKUP * len(rows) < len(postings):
            places, found = _looked_up(impacts, number, rows)
            total[rows[places]] += np.float32(weights[number]) * found
        else:
            before = total[postings]
            total[postings] = before + np.float32(weights[number]) * values
            if rows is None:
                touched.append(postings[before == 0])
                n_touched += len(touched[-1])
        left -= most[number] * slack
    if rows is None:
        rows = _among(np.concatenate(touched), allowed)
    scores = total[rows]
    return rows[scores * slack >= _least(scores, depth) / slack].astype(np.int64)


def _looked_up(
    impacts: Impacts, number: int, rows: npt.NDArray[np.signedinteger]
) -> tuple[npt.NDArray[np.int64], Scores]:
    """Which places of ascending ``rows`` a term has postings for, and their impacts."""
    postings, values = impacts.postings(number)
    at = np.searchsorted(postings, rows.astype(np.int32))
    at[at == len(postings)] = 0
    places = np.flatnonzero(postings[at] == rows)
    return places, values[at[places]]


def _among(rows: npt.NDArray[np.int32], allowed: Mask | None) -> npt.NDArray[np.int32]:
    return rows if allowed is None else rows[allowed[rows]]


def _least(scores: Scores, depth: int) -> float:
    """The ``depth``-th greatest score; 0 where there are fewer."""
    return float(np.partition(scores, len(scores) - depth)[len(scores) - depth]) if len(scores) >= depth else 0.0


def _greatest(rows: Rows, scores: Scores, depth: int) -> tuple[Rows, Scores]:
    kept = scores >= _least(scores, depth)
    return rows[kept], scores[kept]
