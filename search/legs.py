"""This module ranks notes in the two legs: by words (BM25 impacts) and by meaning (cosine of vectors)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer import Index, Rows, Scores, Vectors, nearest, products

# How many notes a leg hands on.  Fixed, so that the order never depends on how many results were asked for.
DEPTH = 1000
_GROUPS = 4  # groups of notes for each that a leg hands on: 1 to 16 take about the same time

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows with their scores, best first; equal scores in the order of the notes' ids."""

    rows: Rows  # int64 [m], distinct
    scores: Scores  # float32 [m], descending

    def __len__(self) -> int:
        return len(self.rows)

    def rank_of(self) -> dict[int, int]:
        """Row -> rank, from 1."""
        return {int(row): rank for rank, row in enumerate(self.rows, start=1)}


def union(*parts: Rows) -> Rows:
    """Every row of ``parts`` once, ascending.  (np.unique would import numpy.ma, 8 ms of a cold search.)"""
    rows = np.sort(np.concatenate(parts))
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    return rows[first].astype(np.int64)


def ranked(index: Index, rows: Rows, scores: Scores, depth: int = DEPTH) -> Ranking:
    """Sort rows by descending score, then by id, and keep the first ``depth``."""
    order = np.lexsort((index.id_ranks[rows], -scores))[:depth]
    return Ranking(rows[order], scores[order])


def lexical_leg(index: Index, scores: Scores, allowed: Mask | None) -> Ranking:
    """The notes that hold a query term, among those allowed; ``scores`` is the BM25 of every note [n_notes]."""
    rows = greatest(scores if allowed is None else np.where(allowed, scores, np.float32(0)), DEPTH)
    return ranked(index, rows, scores[rows])


def greatest(scores: Scores, depth: int) -> Rows:
    """The rows with the ``depth`` greatest scores above 0, and all that equal the last of them, ascending.

    ``depth`` rows have what the ``depth``-th best of several groups has at its best, so whatever lies below is passed
    over; what is left is little more than is asked for.
    """
    size = max(len(scores) // (_GROUPS * depth), 1)
    groups = scores[: len(scores) // size * size].reshape(size, -1)  # rows far apart, so that maxima run along memory
    reached = _least(groups.max(axis=0), depth)
    rows = np.flatnonzero(scores >= reached if reached > 0 else scores > 0).astype(np.int64)
    found = scores[rows]
    return rows[found >= _least(found, depth)]


def _least(scores: Scores, depth: int) -> np.float32:
    """The ``depth``-th greatest score, 0 where there are fewer."""
    place = len(scores) - depth
    return np.float32(np.partition(scores, place)[place] if place >= 0 else 0)


def semantic_leg(index: Index, query: Vectors, allowed: Mask | None) -> Ranking:
    """The notes whose vectors have the greatest cosine with ``query`` (a unit vector), among those allowed."""
    return ranked(index, *nearest(query, index.vectors, DEPTH, allowed, index.codes))


def cosines(index: Index, query: Vectors, rows: Rows) -> Scores:
    """The cosine of each row with ``query``, float32 [len(rows)]."""
    return products(query, index.vectors, rows)
