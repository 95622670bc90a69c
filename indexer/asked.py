"""This module answers what a searcher asks of an index in a folder, from the arrays that it maps into memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors
from indexer.codes import Codes
from indexer.demands import Leaf
from indexer.grams import grams
from indexer.home import Leg
from indexer.impacts import Impacts, Scores
from indexer.late import LateIndex
from indexer.manifest import Manifest
from indexer.matching import terms_for
from indexer.pairs import affinities, evenly_spread, mutual_bm25
from indexer.postings import Postings
from indexer.scoring import Nearness, Summed
from indexer.telling import HOLDERS, telling
from indexer.vectors import Rows
from indexer.whitening import Matrix, whiten


class Asked:
    """The half of ``indexer.home.Home`` that is arithmetic over what ``indexer.store.Index`` maps."""

    manifest: Manifest
    vectors: Vectors
    whitening: Matrix | None
    late: LateIndex | None
    topics: npt.NDArray[np.int32]
    impacts: Impacts
    postings: Postings
    grams: Impacts | None
    codes: Codes | None
    _by_id: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return self.manifest.n_notes

    @property
    def lexicon(self) -> Impacts:
        """See ``Home.lexicon``."""
        return self.impacts

    def rows(self) -> Rows:
        """See ``Home.rows``: 0 to n - 1."""
        return np.arange(len(self), dtype=np.int64)

    def sample(self, count: int) -> Rows:
        """See ``Home.sample``."""
        return evenly_spread(len(self), count)

    @cached_property
    def id_ranks(self) -> npt.NDArray[np.int32]:
        """Where each row's id stands among the sorted ids: int32 [n_notes]; settles ties in every ranking."""
        ranks = np.empty(len(self), dtype=np.int32)
        ranks[self._by_id] = np.arange(len(self), dtype=np.int32)
        return ranks

    def id_order(self, rows: Rows) -> npt.NDArray[np.int32]:
        """See ``Home.id_order``."""
        return self.id_ranks[rows]

    def by_words(self, weights: Mapping[int, float]) -> Leg:
        """See ``Home.by_words``."""
        return Summed(self.impacts.scores(weights), self._ranks)

    def by_runs(self, words: str) -> Leg | None:
        """See ``Home.by_runs``."""
        if self.grams is None:
            return None
        return Summed(self.grams.scores(self.grams.known(Counter(grams(words, self.manifest.analyser)))), self._ranks)

    def by_meaning(self, vector: Vectors) -> Leg:
        """See ``Home.by_meaning``."""
        return Nearness(vector, self.vectors, self.codes, self._ranks)

    def best_of(self, legs: Sequence[Leg], depth: int) -> list[tuple[Rows, Scores]]:
        """See ``Home.best_of``."""
        return [leg.best(depth) for leg in legs]

    def whitened(self, vector: Vectors) -> Vectors:
        """A query's vector, float32 [dim], as the rows of ``vectors`` are."""
        return vector if self.whitening is None else whiten(vector, self.whitening)

    def terms_for(self, leaves: Sequence[Leaf]) -> list[str]:
        """See ``Home.terms_for``."""
        return terms_for(self.postings, leaves)

    def holding(self, numbers: Sequence[int], every: bool) -> int:
        """See ``Home.holding``."""
        if len(numbers) == 1:
            return self.impacts.frequency(numbers[0])
        counts = np.zeros(len(self), dtype=np.int32)
        for number in numbers:
            counts[self.impacts.postings(number)[0]] += 1
        return int((counts >= (len(numbers) if every else 1)).sum()) if numbers else 0

    def together(self, weights: Mapping[int, float], numbers: Sequence[int]) -> list[float]:
        """See ``Home.together``."""
        scores = self.impacts.scores(weights)
        return [float(scores[self.impacts.postings(number)[0]].sum()) for number in numbers]

    def vector(self, row: int) -> Vectors:
        """See ``Home.vector``."""
        found: Vectors = self.vectors[row]
        return found

    def vectors_of(self, rows: Rows) -> Vectors:
        """See ``Home.vectors_of``."""
        return self.vectors[rows]

    def topics_of(self, rows: Rows) -> npt.NDArray[np.int32]:
        """See ``Home.topics_of``."""
        return self.topics[rows]

    def said(self, row: int) -> tuple[npt.NDArray[np.int32], Scores, Scores]:
        """See ``Home.said``."""
        return self.impacts.note(row)

    def affinity(self, row: int, rows: Rows, by_token: bool = False) -> Scores:
        """How related a note is to each of ``rows``: float32 [len(rows)]; see ``affinities``."""
        one: Scores = self.affinities(np.array([row], dtype=np.int64), rows, by_token)[0]
        return one

    def affinities(self, seeds: Rows, rows: Rows, by_token: bool = False) -> Scores:
        """How related each of ``seeds`` is to each of ``rows``; see ``indexer.pairs.affinities``.  ``by_token`` looks
        closer, where the index keeps token vectors, at a hundred times the cost."""
        late = self.late if by_token else None
        return affinities(self.vectors, self.impacts, self.topics, self.manifest.spreads, seeds, rows, late)

    def shared_words(self, row: int, rows: Rows) -> Scores:
        """How much of the weight of their words two notes share; see ``indexer.pairs.mutual_bm25``."""
        return mutual_bm25(self.impacts, row, rows)

    def telling(self, number: int) -> float:
        """See ``Home.telling``."""
        rows = np.asarray(self.impacts.postings(number)[0])
        return telling(self.vectors[rows[evenly_spread(len(rows), HOLDERS)]], self.manifest.spreads.meaning)

    def hubness(self, rows: Rows) -> None:
        """See ``Home.hubness``: a folder's is found out when it is asked for."""

    def read_ahead(self, rows: Rows) -> None:
        """See ``Home.read_ahead``: memory is near enough."""

    def ahead(self, rows: Rows) -> None:
        """See ``Home.ahead``: memory is near enough."""

    def _ranks(self) -> npt.NDArray[np.int32]:
        return self.id_ranks
