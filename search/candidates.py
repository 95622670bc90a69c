"""This module finds, for one note, the notes that are worth a closer look, without comparing it with all of them."""

from __future__ import annotations

import numpy as np

from indexer import Index, Rows, nearest
from search.legs import Ranking, greatest, ranked, union

# The notes that go on to the closer look.  Lists of 10 need no more; beyond it likeness is not told from accident.
DEPTH = 100
_BY_WORDS = 50
# A note's weightiest terms lead to the notes that share them; its frequent terms would lead to half the collection.
_TERMS = 8


def candidates(index: Index, row: int) -> Ranking:
    """Up to ``DEPTH`` notes most related to the note in ``row`` by ``Index.affinity``, best first, itself left out.

    Chosen among the nearest by meaning and those that share the note's weightiest words.  They depend on the note
    and the index alone, not on what was asked before.
    """
    close, _ = nearest(index.vectors[row], index.vectors, DEPTH + 1, codes=index.codes)
    rows = union(close, _by_words(index, row))
    rows = rows[rows != row]
    return ranked(index, rows, index.affinity(row, rows), DEPTH)


def _by_words(index: Index, row: int) -> Rows:
    """The notes that share most of the weightiest terms of a note, ascending."""
    impacts = index.impacts
    numbers, values, _ = impacts.note(row)
    heaviest = np.lexsort((numbers, -values))[:_TERMS]
    terms = {int(numbers[place]): float(values[place]) for place in heaviest}
    scores = impacts.scores(terms)
    found = greatest(scores, _BY_WORDS)
    return ranked(index, found, scores[found], _BY_WORDS).rows
