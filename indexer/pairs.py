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
    terms, values, counts = impacts.note(row)
    places, sizes, _ = gather(impacts.note_starts, rows)
    their_terms = impacts.note_terms[places]
    their_values, their_counts = impacts.note_values[places], impacts.note_counts[places]
    at = np.minimum(np.searchsorted(terms, their_terms), max(len(terms) - 1, 0))
    shared = terms[at] == their_terms if len(terms) else np.zeros(len(places), dtype=np.bool_)
    owner = np.repeat(np.arange(len(rows)), sizes)

    def per_note(amounts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return np.bincount(owner, weights=amounts, minlength=len(rows)).astype(np.float64)

    own = float(values @ counts)
    if own <= 0:
        return np.zeros(len(rows), dtype=np.float32)
    there = per_note(np.where(shared, counts[at] * their_values, 0)) / own
    theirs = per_note(their_counts * their_values)
    here = per_note(np.where(shared, their_counts * values[at], 0)) / np.where(theirs > 0, theirs, 1)
    return ((there + here) / 2).astype(np.float32)


def mutual_tokens(late: LateIndex, row: int, rows: Rows) -> Scores:
    """Mean of MaxSim in both directions between the note in ``row`` and each of ``rows``: float32 [len(rows)]."""
    there, back = late.mutual_scores(late.note_tokens(row), rows)
    return (there + back) / np.float32(2)


def affinity(
    vectors: Vectors,
    impacts: Impacts,
    topics: npt.NDArray[np.int32],
    spreads: PairSpreads,
    row: int,
    rows: Rows,
    late: LateIndex | None = None,
) -> Scores:
    """How related the note in ``row`` is to each of ``rows``: float32 [len(rows)], higher is closer.

    A weighted sum of z-scores of cosine and of ``mutual_bm25``, with a bonus for the same topic (``topics`` holds a
    number a topic, 0 for none); about 0 for two notes taken at random.  ``late`` adds token by token likeness.
    """
    meaning = spreads.meaning.standardise(np.einsum("ij,j->i", vectors[rows], vectors[row]))
    words = spreads.words.standardise(mutual_bm25(impacts, row, rows))
    same_topic = (topics[rows] == topics[row]) & (topics[row] != 0)
    mixed = np.float32(_MEANING) * meaning + np.float32(_WORDS) * words
    if late is not None and spreads.tokens is not None:
        tokens = spreads.tokens.standardise(mutual_tokens(late, row, rows))
        mixed = np.float32(1 - _TOKENS) * mixed + np.float32(_TOKENS) * tokens
    related: Scores = mixed + np.float32(_TOPIC) * same_topic
    return related
