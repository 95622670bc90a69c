"""This module ranks notes in the two legs: by words (BM25 impacts) and by meaning (cosine of vectors)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexer import Allowed, Home, Leg, Rows, Scores

# How many notes a leg hands on.  Fixed, so that the order never depends on how many results were asked for.
DEPTH = 1000


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


def ranked(index: Home, rows: Rows, scores: Scores, depth: int = DEPTH) -> Ranking:
    """Sort rows by descending score, then by id, and keep the first ``depth``."""
    order = np.argsort(-scores, kind="stable")
    rows, scores = rows[order], scores[order]
    equal = np.zeros(len(rows), dtype=np.bool_)
    equal[1:] = scores[1:] == scores[:-1]
    equal[:-1] |= equal[1:]
    if equal.any():  # ids are asked for where they decide
        ids = np.zeros(len(rows), dtype=np.int64)
        ids[equal] = index.id_order(rows[equal])
        order = np.lexsort((ids, -scores))
        rows, scores = rows[order], scores[order]
    return Ranking(rows[:depth], scores[:depth])


def handed_on(index: Home, leg: Leg, allowed: Allowed | None) -> Ranking:
    """What a leg hands on: its best notes among those allowed."""
    return ranked(index, *leg.best(DEPTH, allowed))
