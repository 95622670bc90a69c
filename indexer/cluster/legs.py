"""This module has an engine score notes: by the words they hold, by runs of letters, by meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer.cluster.engine import Engine, Row
from indexer.cluster.filters import all_of
from indexer.cluster.shelf import rows_in
from indexer.home import Allowed
from indexer.impacts import Scores
from indexer.vectors import Rows

DEEPEST = 16_384  # rows that Milvus gives at most
_SPARE = 200  # more than was asked, for notes that equal the last one: which of those an engine gives is not said
_ROWS = 1_000  # rows that one filter names


class Shelf(Protocol):
    """What a leg asks of its home."""

    @property
    def engine(self) -> Engine:
        """Where the notes are."""
        ...

    @property
    def shelf(self) -> str:
        """Their collection."""
        ...

    @property
    def is_indexed(self) -> bool:
        """Whether the engine has an index of all vectors."""
        ...

    @property
    def live(self) -> str:
        """The filter that passes the rows of this generation."""
        ...

    def id_order(self, rows: Rows) -> npt.NDArray[np.int32]:
        """See ``Home.id_order``."""
        ...

    def passed(self, allowed: Allowed | None) -> str:
        """The filter of what is allowed, "" where all is."""
        ...


class EngineLeg:
    """One query's scores in one field of the shelf: inner products where it is sparse, else cosines.

    ``query`` None scores every note 0.
    """

    def __init__(self, home: Shelf, field: str, query: Any | None) -> None:
        self.home, self.field, self.query = home, field, query

    @property
    def _is_sparse(self) -> bool:
        return self.field != "vector"

    def best(self, depth: int, allowed: Allowed | None = None) -> tuple[Rows, Scores]:
        """See ``Leg.best``; best first, more than ``depth`` where several equal the last."""
        return best_of([self], depth, allowed)[0]

    def of(self, rows: Rows) -> Scores:
        """See ``Leg.of``."""
        found = np.zeros(len(rows), dtype=np.float32)
        if self.query is None:
            return found
        for begin in range(0, len(rows), _ROWS):
            some = rows[begin : begin + _ROWS].tolist()
            hits = _searched(self.home, self.field, [self.query], len(some), rows_in(some))[0]
            scores = {row: score for row, score, _ in hits}
            if not self._is_sparse and (missed := [row for row in some if row not in scores]):
                scores |= {row: score for row, score, _ in self.compared(rows_in(missed))}
            found[begin : begin + len(some)] = [scores.get(row, 0.0) for row in some]
        return found

    def compared(self, filter: str) -> list[tuple[int, float, Row]]:
        """The rows that pass ``filter`` with their cosines, compared here: an engine whose index of vectors is a graph
        may not come by the few rows that a filter lets through."""
        query = np.asarray(self.query, dtype=np.float32)
        found = []
        for rows in self.home.engine.walk(self.home.shelf, filter, ["row", "vector"]):
            vectors = np.array([row["vector"] for row in rows], dtype=np.float32)
            scores = vectors @ query / np.linalg.norm(vectors, axis=1)
            found += [(int(row["row"]), score, row) for row, score in zip(rows, scores.tolist(), strict=True)]
        return found

    def place(self, row: int, allowed: Allowed | None = None) -> tuple[int | None, int]:
        """See ``Leg.place``; deeper than ``DEEPEST`` the rank is not counted."""
        if self.query is None:
            return None, 0
        home = self.home
        passed = home.passed(allowed)
        rows, scores = best_of([self], DEEPEST, allowed)[0]
        is_all = self._is_sparse and len(rows) < DEEPEST
        total = len(rows) if is_all else home.engine.count(home.shelf, all_of([home.live, passed]))
        at = np.flatnonzero(rows == row)
        if not len(at):
            return None, total
        own = scores[at[0]]
        equal = rows[scores == own]
        order = home.id_order(equal)
        before = int((order < order[np.flatnonzero(equal == row)[0]]).sum())
        return 1 + int((scores > own).sum()) + before, total


def best_of(
    legs: Sequence[EngineLeg], depth: int, allowed: Allowed | None = None, spare: int = _SPARE
) -> list[tuple[Rows, Scores]]:
    """``Leg.best`` of several legs in one field, asked at once; in their order.  ``spare`` more than ``depth`` are
    asked for, so that notes that equal the last one are among them."""
    asked = [leg for leg in legs if leg.query is not None]
    found: dict[int, tuple[Rows, Scores]] = {}
    if asked:
        home, field = asked[0].home, asked[0].field
        filter = all_of([home.live, home.passed(allowed)])
        limit = min(depth + spare, DEEPEST)
        answers = _searched(home, field, [leg.query for leg in asked], limit, filter)
        for leg, hits in zip(asked, answers, strict=True):
            may_miss = allowed is not None and not leg._is_sparse and len(hits) < limit
            if may_miss and home.engine.count(home.shelf, filter) > len(hits):
                hits = leg.compared(filter)
            rows = np.array([row for row, _, _ in hits], dtype=np.int64)
            scores = np.array([score for _, score, _ in hits], dtype=np.float32)
            kept = scores > 0 if leg._is_sparse else np.ones(len(scores), dtype=np.bool_)
            rows, scores = rows[kept], scores[kept]
            if len(rows) > depth:
                equal = scores >= scores[depth - 1]
                rows, scores = rows[equal], scores[equal]
            found[id(leg)] = rows, scores
    none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    return [found.get(id(leg), none) for leg in legs]


def _searched(
    home: Shelf, field: str, queries: Sequence[Any], limit: int, filter: str
) -> list[list[tuple[int, float, Row]]]:
    exact = field == "vector" and not home.is_indexed
    return home.engine.search(home.shelf, field, queries, limit, filter, exact=exact)
