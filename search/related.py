"""This module says what the two legs think of the notes related to a note, for those who ask why they are."""

from __future__ import annotations

from collections.abc import Mapping

from indexer import Home
from search.legs import Ranking, handed_on


def legs_of(index: Home, row: int) -> tuple[Mapping[str, Ranking], Mapping[int, float]]:
    """The legs (cosine; BM25 with the note's title and description as query) without the note itself, and the note's
    terms by number with their counts."""
    numbers, _, counts = index.said(row)
    terms = {int(number): float(count) for number, count in zip(numbers, counts, strict=True) if count}
    legs = {
        "lexical": _without(row, handed_on(index, index.by_words(terms), None)),
        "semantic": _without(row, handed_on(index, index.by_meaning(index.vector(row)), None)),
    }
    return legs, terms


def _without(row: int, ranking: Ranking) -> Ranking:
    """Taken out afterwards: a mask of all other notes would have every row asked for it."""
    kept = ranking.rows != row
    return Ranking(ranking.rows[kept], ranking.scores[kept])
