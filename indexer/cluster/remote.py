"""This module is the second home of an index: notes on an engine, and here the tables that every query needs.

The engine finds notes, by the scores that we gave it, and decides filters; what is compared more closely is fetched.
One generation is asked throughout, by its own collection and number, so no answer mixes two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors
from indexer.cluster.address import Address
from indexer.cluster.book import newest
from indexer.cluster.engine import Engine
from indexer.cluster.filters import NOTHING, all_of, filter_of
from indexer.cluster.legs import EngineLeg, best_of
from indexer.cluster.opened import Opened
from indexer.cluster.shelf import held_number, rows_in
from indexer.cluster.tables import Lexicon, fetched
from indexer.demands import Demand
from indexer.errors import ClusterError, IndexNotFoundError
from indexer.grams import grams
from indexer.home import NEAREST, Allowed, Leg, mean_of_nearest
from indexer.impacts import Scores
from indexer.pairs import affinities, mutual_bm25
from indexer.vectors import Rows
from indexer.whitening import whiten

_BEST = 1_000  # notes whose words say what an unfinished one may become
_PATIENCE = 10.0  # seconds that whoever asks waits for an engine that went away; a builder waits longer
_QUERIES = 100  # vectors that one search brings


def open_remote(address: Address, engine: Engine | None = None) -> RemoteIndex:
    """The newest generation of the index at an address.

    Raises IndexNotFoundError where none was published, ClusterError, and what reading its tables raises.
    """
    engine = engine or Engine(address, _PATIENCE)
    try:
        return _opened(engine)
    except (ClusterError, IndexNotFoundError) as error:
        # Newer generations may have been published since the book was asked, and these tables removed.
        if isinstance(error, ClusterError) and error.reason not in ("damaged", "replaced"):
            raise
        return _opened(engine)


def _opened(engine: Engine) -> RemoteIndex:
    address = engine.address
    published = newest(engine, address.name)
    if published is None:
        raise IndexNotFoundError(str(address))
    return RemoteIndex(engine, published, fetched(engine, published, address.cache / "tables"))


class RemoteIndex(Opened):
    """``indexer.home.Home`` over one generation on an engine; safe to share between threads."""

    def newest(self) -> RemoteIndex:
        """See ``Home.newest``."""
        return open_remote(self.engine.address, self._plain)

    # What a query asks

    def by_words(self, weights: Mapping[int, float]) -> Leg:
        """See ``Home.by_words``."""
        return EngineLeg(self, "words", _asked(self.lexicon, weights))

    def by_runs(self, words: str) -> Leg | None:
        """See ``Home.by_runs``."""
        if self._grams is None:
            return None
        counts = self._grams.known(Counter(grams(words, self.manifest.analyser)))
        return EngineLeg(self, "runs", _asked(self._grams, counts))

    def by_meaning(self, vector: Vectors) -> Leg:
        """See ``Home.by_meaning``."""
        return EngineLeg(self, "vector", vector.tolist())

    def best_of(self, legs: Sequence[Leg], depth: int) -> list[tuple[Rows, Scores]]:
        """See ``Home.best_of``."""
        return best_of([leg for leg in legs if isinstance(leg, EngineLeg)], depth)

    def whitened(self, vector: Vectors) -> Vectors:
        """See ``Home.whitened``."""
        return vector if self._whitening is None else whiten(vector, self._whitening)

    def allowed(self, demand: Demand) -> Passed:
        """See ``Home.allowed``."""
        return Passed(self, filter_of(self, demand))

    def passed(self, allowed: Allowed | None) -> str:
        """The filter of what is allowed."""
        if allowed is None:
            return ""
        if not isinstance(allowed, Passed):
            raise TypeError(f"{type(allowed).__name__} is of another home")
        return allowed.filter

    def holding(self, numbers: Sequence[int], every: bool) -> int:
        """See ``Home.holding``."""
        if len(numbers) == 1:
            return self.lexicon.frequency(numbers[0])
        terms = [self.lexicon.term(number) for number in numbers]
        fields = self.manifest.bm25.fields
        held = [sorted(held_number(field, term) for field in fields) for term in terms]
        if not every:
            held = [sorted(number for one in held for number in one)]
        passed = [f"array_contains_any(held, {one})" for one in held if one] or [NOTHING]
        return self.engine.count(self.shelf, all_of([self.live, *passed]))

    def together(self, weights: Mapping[int, float], numbers: Sequence[int]) -> list[float]:
        """See ``Home.together``; of the best thousand notes."""
        query = _asked(self.lexicon, weights)
        dims = self.lexicon.dims[list(numbers)].tolist()
        sums = dict.fromkeys(dims, 0.0)
        if query is not None and dims:
            for _, score, fields in self.engine.search(self.shelf, "words", [query], _BEST, self.live, ["words"])[0]:
                for dim in sums.keys() & fields["words"].keys():
                    sums[dim] += score
        return [sums[dim] for dim in dims]

    # How notes are related

    def vector(self, row: int) -> Vectors:
        """See ``Home.vector``."""
        return self._records.records(np.array([row], dtype=np.int64))[0].vector

    def vectors_of(self, rows: Rows) -> Vectors:
        """See ``Home.vectors_of``."""
        vectors = [one.vector for one in self._records.records(rows)]
        return np.array(vectors, dtype=np.float32).reshape(len(rows), self.manifest.encoder.dim)

    def topics_of(self, rows: Rows) -> npt.NDArray[np.int32]:
        """See ``Home.topics_of``."""
        return np.array([one.topic for one in self._records.records(rows)], dtype=np.int32)

    def said(self, row: int) -> tuple[npt.NDArray[np.int32], Scores, Scores]:
        """See ``Home.said``."""
        one = self._records.records(np.array([row], dtype=np.int64))[0]
        return one.numbers, one.values, one.counts

    def affinity(self, row: int, rows: Rows, by_token: bool = False) -> Scores:
        """See ``Home.affinity``."""
        one: Scores = self.affinities(np.array([row], dtype=np.int64), rows, by_token)[0]
        return one

    def affinities(self, seeds: Rows, rows: Rows, by_token: bool = False) -> Scores:
        """See ``Home.affinities``."""
        every, places = np.unique(np.concatenate([seeds, rows]), return_inverse=True)
        some = self._records.gathered(every)
        late = self.late.gathered(every) if self.late is not None and by_token else None
        from_, to = places[: len(seeds)].astype(np.int64), places[len(seeds) :].astype(np.int64)
        return affinities(some.vectors, some.impacts, some.topics, self.manifest.spreads, from_, to, late)

    def shared_words(self, row: int, rows: Rows) -> Scores:
        """See ``Home.shared_words``."""
        some = self._records.gathered(np.concatenate([np.array([row], dtype=np.int64), rows]))
        return mutual_bm25(some.impacts, 0, np.arange(1, len(rows) + 1, dtype=np.int64))

    def telling(self, number: int) -> float:
        """See ``Home.telling``."""
        return float(self._telling[number])

    def hubness(self, rows: Rows) -> tuple[Scores, float]:
        """See ``Home.hubness``; in a large collection estimated from the cosines with the nearest notes."""
        facts = self.published.facts
        usual = float(facts["usual hub"])
        if facts["hubs"]:
            return np.array([one.hub for one in self._records.records(rows)], dtype=np.float32), usual
        new = [row for row in rows.tolist() if row not in self._hubs]
        start, slope = facts["hub line"]
        for begin in range(0, len(new), _QUERIES):
            some = np.array(new[begin : begin + _QUERIES], dtype=np.int64)
            legs = [EngineLeg(self, "vector", vector.tolist()) for vector in self.vectors_of(some)]
            near = best_of(legs, NEAREST + 1, spare=0)
            for row, found in zip(some.tolist(), near, strict=True):
                self._hubs[row] = start + slope * mean_of_nearest(row, *found)
        return np.array([self._hubs[row] for row in rows.tolist()], dtype=np.float32), usual

    def ahead(self, rows: Rows) -> None:
        """See ``Home.ahead``."""
        self._records.records(rows)


class Passed:
    """The notes that pass a filter of the engine; see ``indexer.home.Allowed``."""

    def __init__(self, home: RemoteIndex, filter: str) -> None:
        self._home, self.filter = home, filter

    def admits(self, row: int) -> bool:
        """See ``Allowed.admits``."""
        return bool(self._home.matching(all_of([rows_in([row]), self.filter]), 1))

    def rows(self) -> Rows:
        """See ``Allowed.rows``."""
        return self._home.in_order(self.filter)


def _asked(lexicon: Lexicon, weights: Mapping[int, float]) -> dict[int, float] | None:
    """A query for a sparse field: {dimension: weight times idf}; None where nothing is asked."""
    if not weights:
        return None
    numbers = np.fromiter(weights, dtype=np.int64, count=len(weights))
    scaled = np.fromiter(weights.values(), dtype=np.float32, count=len(weights)) * lexicon.idf(numbers)
    return dict(zip(lexicon.dims[numbers].tolist(), scaled.tolist(), strict=True))
