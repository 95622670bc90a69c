"""This module fetches what an engine keeps of single notes, remembers some of it, and puts notes side by side for our
own arithmetic."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors
from indexer.cluster.engine import Engine
from indexer.cluster.shelf import payloads_of, rows_in, unpack_said, unpack_tokens
from indexer.cluster.tables import Lexicon
from indexer.errors import ClusterError
from indexer.impacts import Impacts, Scores
from indexer.late import LateIndex, TokenStates, WeightedTokens, lengths_from, weighted
from indexer.notes import Note
from indexer.vectors import Rows

# What is remembered: of 20,000 notes 3 KB each, of 2,000 their token vectors at 20 KB, of 5,000 their texts.
_RECORDS, _LATE, _NOTES, _NAMES = 20_000, 2_000, 5_000, 200_000
_AT_ONCE = 1_000  # rows that one call asks for
_LATE_AT_ONCE = 100
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Record:
    """What relating a note to others takes."""

    vector: Vectors  # float32 [dim]
    topic: int
    hub: float
    numbers: npt.NDArray[np.int32]  # its terms, ascending
    values: Scores  # their impacts
    counts: Scores  # how often each stands in title and description


@dataclass(frozen=True, slots=True)
class Gathered:
    """Several notes side by side: note i of each is the i-th row that was asked for."""

    vectors: Vectors  # float32 [n, dim]
    topics: npt.NDArray[np.int32]  # [n]
    impacts: Impacts  # by note only


class Records:
    """What is fetched of the rows of one shelf; safe to share between threads."""

    def __init__(self, engine: Engine, shelf: str, store: str, lexicon: Lexicon, mean: Vectors | None) -> None:
        self._engine, self._shelf, self._store = engine, shelf, store
        self._lexicon, self._mean = lexicon, mean
        self._records = _Memory[Record](engine, _RECORDS, _AT_ONCE, self._fetch_records)
        self._late = _Memory[TokenStates](engine, _LATE, _LATE_AT_ONCE, self._fetch_late)
        self._notes = _Memory[Note](engine, _NOTES, _AT_ONCE, self._fetch_notes)
        self._names = _Memory[str](engine, _NAMES, _AT_ONCE, self._fetch_names)

    def records(self, rows: Rows) -> list[Record]:
        """The records of rows, in their order."""
        return self._records.of(rows.tolist())

    def notes(self, rows: Sequence[int]) -> list[Note]:
        """The notes of rows, in their order."""
        return self._notes.of(rows)

    def names(self, rows: Sequence[int]) -> list[str]:
        """The ids of rows, in their order."""
        return self._names.of(rows)

    def gathered(self, rows: Rows) -> Gathered:
        """Notes side by side, for ``indexer.pairs``."""
        found = self.records(rows)
        sizes = [len(one.numbers) for one in found]
        dim = len(found[0].vector) if found else 0
        none = np.zeros(0, dtype=np.int64)
        impacts = Impacts(
            terms=none.astype(np.uint8),
            term_starts=none,
            starts=none,
            rows=none.astype(np.int32),
            values=none.astype(np.float32),
            note_starts=np.cumsum([0, *sizes], dtype=np.int64),
            note_terms=np.concatenate([none.astype(np.int32), *(one.numbers for one in found)]),
            note_values=np.concatenate([none.astype(np.float32), *(one.values for one in found)]),
            note_counts=np.concatenate([none.astype(np.float32), *(one.counts for one in found)]),
        )
        return Gathered(
            vectors=np.array([one.vector for one in found], dtype=np.float32).reshape(len(found), dim),
            topics=np.array([one.topic for one in found], dtype=np.int32),
            impacts=impacts,
        )

    def late(self, rows: Rows, rarity: npt.NDArray[np.float32]) -> LateIndex:
        """The token vectors of notes, end to end."""
        assert self._mean is not None  # noqa: S101 - asked for only where they are kept
        found = self._late.of(rows.tolist())
        scales = np.concatenate([np.zeros(0, dtype=np.float32), *(one.scales for one in found)])
        codes = np.concatenate([np.zeros((0, len(self._mean)), dtype=np.int8), *(one.codes for one in found)])
        return LateIndex(
            codes=codes,
            scales=scales,
            norms=lengths_from(self._mean, codes, scales),
            starts=np.cumsum([0, *(len(one.scales) for one in found)], dtype=np.int64),
            mean=self._mean,
            pieces=np.concatenate([np.zeros(0, dtype=np.int32), *(one.pieces for one in found)]),
            rarity=rarity,
        )

    def _fetch_records(self, rows: Sequence[int]) -> dict[int, Record]:
        said = self._payloads(rows, "said")
        found = self._engine.fetch(self._shelf, rows_in(rows), ["row", "vector", "topic", "hub"])
        records = {}
        for one in found:
            dims, saturations, counts = unpack_said(said[one["row"]])
            numbers = self._lexicon.numbers_of(dims)
            known = np.flatnonzero(numbers >= 0)
            order = known[np.argsort(numbers[known], kind="stable")]
            numbers = numbers[order]
            records[one["row"]] = Record(
                vector=np.array(one["vector"], dtype=np.float32),
                topic=int(one["topic"]),
                hub=float(one["hub"]),
                numbers=numbers,
                values=self._lexicon.idf(numbers) * saturations[order],
                counts=counts[order],
            )
        return records

    def _fetch_late(self, rows: Sequence[int]) -> dict[int, TokenStates]:
        assert self._mean is not None  # noqa: S101 - asked for only where they are kept
        dim = len(self._mean)
        return {row: unpack_tokens(content, dim) for row, content in self._payloads(rows, "late").items()}

    def _fetch_notes(self, rows: Sequence[int]) -> dict[int, Note]:
        found = self._payloads(rows, "note")
        return {row: Note.from_dict(json.loads(content)) for row, content in found.items()}

    def _fetch_names(self, rows: Sequence[int]) -> dict[int, str]:
        return {one["row"]: one["name"] for one in self._engine.fetch(self._shelf, rows_in(rows), _NAMED)}

    def _payloads(self, rows: Sequence[int], kind: str) -> dict[int, bytes]:
        """What the store holds of a kind of each row."""
        fields = ["row", "kind", "part", "parts", "text"]
        found = self._engine.fetch(self._store, f'{rows_in(rows)} and kind == "{kind}"', fields)
        try:
            return {row: content for (row, _), content in payloads_of(found).items()}
        except ValueError as error:
            raise damaged(self._engine, str(error)) from error


class EngineLate:
    """Token vectors that are fetched note by note; see ``indexer.home.Late``."""

    def __init__(self, records: Records, mean: Vectors, rarity: npt.NDArray[np.float32], n_notes: int) -> None:
        self._records, self._mean, self._rarity, self._n_notes = records, mean, rarity, n_notes

    def prepare(self, states: Vectors, pieces: npt.NDArray[np.int32]) -> WeightedTokens:
        """See ``Late.prepare``."""
        return weighted(states, pieces, self._mean, self._rarity, self._n_notes)

    def note_tokens(self, row: int) -> WeightedTokens:
        """See ``Late.note_tokens``."""
        return self.gathered(np.array([row], dtype=np.int64)).note_tokens(0)

    def scores(self, query: WeightedTokens, rows: Rows) -> Scores:
        """See ``Late.scores``."""
        return self.gathered(rows).scores(query, np.arange(len(rows), dtype=np.int64))

    def gathered(self, rows: Rows) -> LateIndex:
        """The token vectors of notes, end to end."""
        return self._records.late(rows, self._rarity)


def damaged(engine: Engine, problem: str) -> ClusterError:
    """The error of an engine that does not hold what was published, as that engine explains it."""
    remedy = f"build the index again: kindred index --rebuild --index {engine.address}"
    return engine.explain(ClusterError(engine.address, f"is damaged: {problem}", remedy, "damaged"))


_NAMED = ("row", "name")


class _Memory(Generic[Value]):
    """The last ``size`` values that were asked for, fetched ``at_once`` at a time."""

    def __init__(
        self, engine: Engine, size: int, at_once: int, fetch: Callable[[Sequence[int]], dict[int, Value]]
    ) -> None:
        self._engine, self._size, self._at_once, self._fetch = engine, size, at_once, fetch
        self._known: OrderedDict[int, Value] = OrderedDict()
        self._lock = Lock()

    def of(self, rows: Sequence[int]) -> list[Value]:
        """The values of rows, in their order.  Raises ClusterError where the engine has none of a row."""
        with self._lock:
            found = {row: self._known[row] for row in rows if row in self._known}
        lacking = [row for row in dict.fromkeys(rows) if row not in found]
        for some in _batches(lacking, self._at_once):
            fetched = self._fetch(some)
            for row in some:
                if row not in fetched:
                    raise damaged(self._engine, f"it lacks row {row}")
            self.keep(fetched)
            found.update(fetched)
        return [found[row] for row in rows]

    def keep(self, values: dict[int, Value]) -> None:
        """Remember values, and forget the oldest."""
        with self._lock:
            self._known.update(values)
            for row in values:
                self._known.move_to_end(row)
            while len(self._known) > self._size:
                self._known.popitem(last=False)


def _batches(rows: Sequence[int], size: int) -> Iterator[list[int]]:
    rest = iter(rows)
    while batch := list(islice(rest, size)):
        yield batch
