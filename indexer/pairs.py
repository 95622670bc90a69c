"""This module measures how alike two notes are, on a scale that is the collection's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.bert import Vectors
from indexer.impacts import Impacts, Scores, gather
from indexer.late import LateIndex
from indexer.vectors import Rows

# How much meaning, words and a shared topic count, in standard deviations over all pairs of notes.  Chosen on the
# training parts of SciFact and NFCorpus together with the judged notes; 0.3 to 0.5 on the words differ little.
_MEANING, _WORDS, _TOPIC = 0.6, 0.4, 0.5
# The share that token by token likeness takes of the first two where it is known: 0.4, 0.3, 0.3.
_TOKENS = 0.3
# Pairs are counted among this many notes at most, evenly spread: a mean and a deviation need no more.
_SAMPLE = 500
_SAMPLE_TOKENS = 64  # for token by token likeness, which costs more; with 32 a new note moved the deviation by a tenth


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation of a similarity over the pairs of different notes."""

    mean: float
    deviation: float

    def standardise(self, scores: Scores) -> Scores:
        """Deviations from the mean (z-scores)."""
        scaled: Scores = (scores - np.float32(self.mean)) / np.float32(self.deviation)
        return scaled


@dataclass(frozen=True, slots=True)
class PairSpreads:
    """The background against which two notes are alike."""

    meaning: Spread
    words: Spread
    tokens: Spread | None  # None where token vectors are not kept

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> PairSpreads:
        """The inverse of ``as_dict``."""
        tokens = record["tokens"]
        return cls(Spread(**record["meaning"]), Spread(**record["words"]), Spread(**tokens) if tokens else None)


def evenly_spread(n_notes: int, count: int) -> Rows:
    """Up to ``count`` rows at even distances over ``n_notes``, ascending."""
    return np.linspace(0, n_notes - 1, min(n_notes, count)).astype(np.int64)  # steps of 1 at least: all differ


def measure_spreads(vectors: Vectors, impacts: Impacts, late: LateIndex | None) -> PairSpreads:
    """The similarities over the pairs of up to 500 notes (64 for tokens), evenly spread over the collection."""
    rows = evenly_spread(impacts.n_notes, _SAMPLE)
    few = evenly_spread(impacts.n_notes, _SAMPLE_TOKENS)
    sample = np.ascontiguousarray(vectors[rows])
    return PairSpreads(
        meaning=_spread(rows, lambda place: np.einsum("ij,j->i", sample, sample[place])),
        words=_spread(rows, lambda place: mutual_bm25(impacts, int(rows[place]), rows)),
        tokens=_spread(few, lambda place: mutual_tokens(late, int(few[place]), few)) if late is not None else None,
    )


def _spread(rows: Rows, similarity: Callable[[int], Scores]) -> Spread:
    if len(rows) < 2:
        return Spread(0.0, 1.0)
    others = np.array([np.delete(similarity(place), place) for place in range(len(rows))], dtype=np.float64)
    return Spread(float(others.mean()), float(others.std()) or 1.0)


def mutual_bm25(impacts: Impacts, row: int, rows: Rows) -> Scores:
    """Lexical likeness of the note in ``row`` to each of ``rows``: float32 [len(rows)], from 0 to about 1.

    (s(a, b) / s(a, a) + s(b, a) / s(b, b)) / 2, where s(q, d) is the BM25 of d with title and description of q as
    the query.  Both directions count, so that a long note is not like everything.  0 for a note without terms.
    """
    return _mutual_bm25(impacts, row, _said(impacts, rows))


@dataclass(frozen=True, slots=True)
class _Said:
    """What several notes say: their postings together, by term."""

    terms: npt.NDArray[np.int32]  # [n_entries] ascending
    values: Scores  # [n_entries] impacts
    counts: Scores  # [n_entries] how often the note says it
    owners: npt.NDArray[np.int64]  # [n_entries] which of the notes
    totals: npt.NDArray[np.float64]  # [n_notes] the BM25 of each with itself as the query


def _said(impacts: Impacts, rows: Rows) -> _Said:
    places, sizes, _ = gather(impacts.note_starts, rows)
    terms, values, counts = impacts.note_terms[places], impacts.note_values[places], impacts.note_counts[places]
    owners = np.repeat(np.arange(len(rows)), sizes)
    totals = np.bincount(owners, weights=counts * values, minlength=len(rows)).astype(np.float64)
    order = np.argsort(terms, kind="stable")
    return _Said(terms[order], values[order], counts[order], owners[order], totals)


def _mutual_bm25(impacts: Impacts, row: int, said: _Said) -> Scores:
    terms, values, counts = impacts.note(row)
    n_notes = len(said.totals)
    own = float(values @ counts)
    if own <= 0:
        return np.zeros(n_notes, dtype=np.float32)
    begins, ends = np.searchsorted(said.terms, terms), np.searchsorted(said.terms, terms, side="right")
    sizes = ends - begins
    shared = np.repeat(begins - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    at = np.repeat(np.arange(len(terms)), sizes)  # the term that they share

    def per_note(amounts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return np.bincount(said.owners[shared], weights=amounts, minlength=n_notes).astype(np.float64)

    there = per_note(counts[at] * said.values[shared]) / own
    here = per_note(said.counts[shared] * values[at]) / np.where(said.totals > 0, said.totals, 1)
    return ((there + here) / 2).astype(np.float32)


def mutual_tokens(late: LateIndex, row: int, rows: Rows) -> Scores:
    """Mean of MaxSim in both directions between the note in ``row`` and each of ``rows``: float32 [len(rows)]."""
    there, back = late.mutual_scores(late.note_tokens(row), rows)
    return (there + back) / np.float32(2)


def affinities(
    vectors: Vectors,
    impacts: Impacts,
    topics: npt.NDArray[np.int32],
    spreads: PairSpreads,
    seeds: Rows,
    rows: Rows,
    late: LateIndex | None = None,
) -> Scores:
    """How related each note of ``seeds`` is to each of ``rows``: float32 [len(seeds), len(rows)], higher is closer.

    A weighted sum of z-scores of cosine and of ``mutual_bm25``, with a bonus for the same topic (``topics`` holds a
    number a topic, 0 for none); about 0 for two notes taken at random.  ``late`` adds token by token likeness.
    """
    theirs, said, their_topics = vectors.take(rows, axis=0), _said(impacts, rows), topics[rows]
    related = np.empty((len(seeds), len(rows)), dtype=np.float32)
    for place, seed in enumerate(seeds.tolist()):
        meaning = spreads.meaning.standardise(np.einsum("ij,j->i", theirs, vectors[seed]))
        words = spreads.words.standardise(_mutual_bm25(impacts, seed, said))
        same_topic = (their_topics == topics[seed]) & (topics[seed] != 0)
        mixed = np.float32(_MEANING) * meaning + np.float32(_WORDS) * words
        if late is not None and spreads.tokens is not None:
            tokens = spreads.tokens.standardise(mutual_tokens(late, seed, rows))
            mixed = np.float32(1 - _TOKENS) * mixed + np.float32(_TOKENS) * tokens
        related[place] = mixed + np.float32(_TOPIC) * same_topic
    return related
