"""This module finds the notes related to a note, for *Explore related*."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from indexer import Index
from search.legs import Ranking, lexical_leg, lexical_scores, ranked, semantic_leg, union

# Candidates taken from each leg; far more than any list shows.
_CANDIDATES = 200


def related_notes(index: Index, row: int) -> tuple[Ranking, Mapping[str, Ranking], Mapping[int, float]]:
    """The notes most related to the note in ``row``, itself left out.

    Returns the ranking by ``Index.affinity``, the two legs it draws from (cosine; BM25 with the note's title and
    description as query), and the note's terms by number with their counts.
    """
    others = np.ones(len(index), dtype=np.bool_)
    others[row] = False
    numbers, _, counts = index.impacts.note(row)
    terms = {int(number): float(count) for number, count in zip(numbers, counts, strict=True) if count}
    legs = {
        "lexical": lexical_leg(index, lexical_scores(index, terms), others),
        "semantic": semantic_leg(index, index.vectors[row], others),
    }
    rows = union(index, *(leg.rows[:_CANDIDATES] for leg in legs.values()))
    return ranked(index, rows, index.affinity(row, rows, by_token=True)), legs, terms
