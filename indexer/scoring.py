"""This module finds the notes with the greatest scores for a query's terms without adding up what cannot reach them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from indexer.impacts import Impacts, Scores
from indexer.vectors import Mask, Rows

# Up to so many postings all of them are added up: 1 ns each, and a row of the result is read faster than looked up.
_MANY = 300_000
# Looking a row up among a term's postings takes as long as adding so many postings to the scores of all notes.
_LOOKUP = 25
_GROUPS = 4  # groups of rows for each that is wanted, whose best bound what the wanted ones have


class Tally:
    """The scores of notes for a query's terms, added up as far as they are needed; bit by bit those of
    ``Impacts.scores``.

    ``weights`` are those of terms by number, all above 0.
    """

    def __init__(self, impacts: Impacts, weights: Mapping[int, float]) -> None:
        self._impacts = impacts
        self._weights = weights
        few = sum(impacts.sizes(weights)) < _MANY
        self._every = impacts.scores(weights) if few else None

    def best(self, depth: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """The rows with the ``depth`` greatest scores above 0 among those ``allowed``, and all that equal the last of
        them: int64, distinct, ascending; and their scores."""
        if self._every is None:
            rows = np.sort(_contenders(self._impacts, self._weights, depth, allowed))
        else:
            every = self._every if allowed is None else np.where(allowed, self._every, np.float32(0))
            least = _reached(every, depth)
            rows = np.flatnonzero(every >= least if least > 0 else every > 0)
        scores = self.at(rows)
        kept = scores >= _least(scores, depth)
        return rows[kept], scores[kept]

    def at(self, rows: Rows) -> Scores:
        """The scores of some rows, which ascend."""
        if self._every is not None:
            return self._every[rows]
        total = np.zeros(len(rows), dtype=np.float32)
        for number, weight in self._weights.items():
            places, values = _looked_up(self._impacts, number, rows)
            total[places] += np.float32(weight) * values
        return total


def _reached(scores: Scores, depth: int) -> float:
    """A score above 0 that ``depth`` rows have at least, near to the greatest such, or 0: the best of each of several
    groups is looked at, which takes a third of the time of looking at all."""
    size = max(len(scores) // (_GROUPS * depth), 1)
    groups = scores[: len(scores) // size * size].reshape(size, -1)
    return _least(groups.max(axis=0), depth)


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
            if rows is None:
                touched.append(postings[total[postings] == 0])
                n_touched += len(touched[-1])
            np.add.at(total, postings, np.float32(weights[number]) * values)
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
