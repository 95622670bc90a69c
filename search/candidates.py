"""This module finds, for one note, the notes that are worth a closer look, without comparing it with all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer import Home
from search.legs import Ranking, ranked, union

# The notes that go on to the closer look.  Lists of 10 need no more; beyond it likeness is not told from accident.
DEPTH = 100
_BY_WORDS = 50
# A note's weightiest terms lead to the notes that share them; its frequent terms would lead to half the collection.
_TERMS = 8


def candidates(index: Home, rows: Sequence[int]) -> list[Ranking]:
    """For each of ``rows`` up to ``DEPTH`` notes most related to it by ``Home.affinity``, best first, itself left out.

    Chosen among the nearest by meaning and those that share the note's weightiest words.  They depend on the note
    and the index alone, not on what was asked before or beside it.
    """
    close = index.best_of([index.by_meaning(index.vector(row)) for row in rows], DEPTH + 1)
    worded = index.best_of([index.by_words(_heaviest(index, row)) for row in rows], _BY_WORDS)
    found = []
    for row, (near, _), (sharing, scores) in zip(rows, close, worded, strict=True):
        both = union(near, ranked(index, sharing, scores, _BY_WORDS).rows)
        found.append(both[both != row])
    index.ahead(union(*found))
    return [ranked(index, others, index.affinity(row, others), DEPTH) for row, others in zip(rows, found, strict=True)]


def _heaviest(index: Home, row: int) -> dict[int, float]:
    """The weightiest terms of a note, with their weights."""
    numbers, values, _ = index.said(row)
    heaviest = np.lexsort((numbers, -values))[:_TERMS]
    return {int(numbers[place]): float(values[place]) for place in heaviest}
