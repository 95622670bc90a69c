"""This module scores the notes of a folder for a query in memory: a leg is an array, what a demand allows a mask."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors
from indexer.codes import Codes
from indexer.home import Allowed
from indexer.impacts import Scores
from indexer.vectors import Rows, nearest, products

Mask = npt.NDArray[np.bool_]
_GROUPS = 4  # groups of notes for each that a leg hands on: 1 to 16 take about the same time
_CHUNK = 20_000  # vectors that are copied at a time: 30 MB of MiniLM's


class Masked:
    """The notes that a demand lets through, as bool [n_notes]."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    def admits(self, row: int) -> bool:
        """See ``Allowed.admits``."""
        return bool(self.mask[row])

    def rows(self) -> Rows:
        """See ``Allowed.rows``."""
        return np.flatnonzero(self.mask).astype(np.int64)


class Summed:
    """A leg by words: ``scores`` float32 [n_notes], 0 for a note without any; ``id_ranks`` as ``Index.id_ranks``."""

    def __init__(self, scores: Scores, id_ranks: Callable[[], npt.NDArray[np.int32]]) -> None:
        self._scores = scores
        self._id_ranks = id_ranks

    def best(self, depth: int, allowed: Allowed | None = None) -> tuple[Rows, Scores]:
        """See ``Leg.best``; ascending."""
        scores = self._scores
        rows = greatest(scores if allowed is None else np.where(_mask(allowed), scores, np.float32(0)), depth)
        return rows, scores[rows]

    def of(self, rows: Rows) -> Scores:
        """See ``Leg.of``."""
        return self._scores[rows]

    def place(self, row: int, allowed: Allowed | None = None) -> tuple[int | None, int]:
        """See ``Leg.place``."""
        found = self._scores > 0
        return _place(self._scores, found if allowed is None else found & _mask(allowed), row, self._id_ranks())


class Nearness:
    """A leg by meaning: the cosines of ``vectors`` [n_notes, dim] with ``query`` [dim]."""

    def __init__(
        self, query: Vectors, vectors: Vectors, codes: Codes | None, id_ranks: Callable[[], npt.NDArray[np.int32]]
    ) -> None:
        self._query, self._vectors, self._codes = query, vectors, codes
        self._id_ranks = id_ranks

    def best(self, depth: int, allowed: Allowed | None = None) -> tuple[Rows, Scores]:
        """See ``Leg.best``."""
        return nearest(self._query, self._vectors, depth, None if allowed is None else _mask(allowed), self._codes)

    def of(self, rows: Rows) -> Scores:
        """See ``Leg.of``."""
        return products(self._query, self._vectors, rows)

    def place(self, row: int, allowed: Allowed | None = None) -> tuple[int | None, int]:
        """See ``Leg.place``."""
        found = np.ones(len(self._vectors), dtype=np.bool_) if allowed is None else _mask(allowed)
        return _place(self._all, found, row, self._id_ranks())

    @cached_property
    def _all(self) -> Scores:
        every = np.arange(len(self._vectors), dtype=np.int64)
        return np.concatenate([self.of(every[begin : begin + _CHUNK]) for begin in range(0, len(every), _CHUNK)])


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


def _place(scores: Scores, found: Mask, row: int, id_ranks: npt.NDArray[np.int32]) -> tuple[int | None, int]:
    better = (scores > scores[row]) | ((scores == scores[row]) & (id_ranks < id_ranks[row]))
    return (1 + int((better & found).sum()) if found[row] else None), int(found.sum())


def _mask(allowed: Allowed) -> Mask:
    if not isinstance(allowed, Masked):
        raise TypeError(f"{type(allowed).__name__} is of another home")
    return allowed.mask
