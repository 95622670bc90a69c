"""This module finds the notes related to a note, for *Explore related*."""

from __future__ import annotations

from collections.abc import Mapping

from indexer import Index
from search.legs import Ranking, lexical_leg, ranked, semantic_leg, union

# Candidates taken from each leg; far more than any list shows.
_CANDIDATES = 200


def related_notes(index: Index, row: int) -> tuple[Ranking, Mapping[str, Ranking], Mapping[int, float]]:
    """The notes most related to the note in ``row``, itself left out.

    Returns the ranking by ``Index.affinity``, the two legs it draws from (cosine; BM25 with the note's title and
    description as query), and the note's terms by number with their counts.
    """
    numbers, _, counts = index.impacts.note(row)
    terms = {int(number): float(count) for number, count in zip(numbers, counts, strict=True) if count}
    legs = {
        "lexical": _without(row, lexical_leg(index, index.impacts.scores(terms), None)),
        "semantic": _without(row, semantic_leg(index, index.vectors[row], None)),
    }
    rows = union(index, *(leg.rows[:_CANDIDATES] for leg in legs.values()))
    return ranked(index, rows, index.affinity(row, rows, by_token=True)), legs, terms


def _without(row: int, ranking: Ranking) -> Ranking:
    """Taken out afterwards: a mask of all other notes would copy the matrix and pass the HNSW graph by."""
    kept = ranking.rows != row
    return Ranking(ranking.rows[kept], ranking.scores[kept])
