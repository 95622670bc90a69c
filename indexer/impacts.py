"""This module compiles the postings into BM25 impacts: a score for every pair of a term and a note.

Whoosh decides what matches (phrases, fields, prefixes, fuzzy terms); the impacts decide how well.  A plain query
reads the impacts alone and never imports Whoosh, which needs 139 ms a query at 20,000 notes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.analysis import Analyser
from indexer.arrays import load_arrays, misfit, save_arrays, stable_order
from indexer.postings import ALL_FIELDS, Postings
from indexer.tokens import POSITION_BITS
from indexer.vocabulary import Vocabulary

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FieldWeight:
    """How one field counts in BM25F: its weight, and ``b``, how far its length is normalised away (0 to 1)."""

    weight: float
    b: float = 0.75


@dataclass(frozen=True, slots=True)
class Bm25:
    """The parameters of BM25F; fields absent from ``fields`` can be searched but are not ranked."""

    k1: float
    fields: Mapping[str, FieldWeight]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {"k1": self.k1, "fields": {name: asdict(field) for name, field in self.fields.items()}}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Bm25:
        """The inverse of ``as_dict``."""
        return cls(record["k1"], {name: FieldWeight(**field) for name, field in record["fields"].items()})


# k1 and b as in Robertson et al. 1994; k1 from 1.2 to 1.5 makes no difference on four collections.
# A title says in few words what its description spells out.
DEFAULT_BM25 = Bm25(1.2, {"title": FieldWeight(2.0), "description": FieldWeight(1.0), "topic": FieldWeight(1.0)})

_OWN_TEXT = ("title", "description")  # a topic is shared with other notes
# The arrays of an index with their types on disk.
_ARRAYS = {
    "terms": "|u1",
    "term_starts": "<i8",
    "starts": "<i8",
    "rows": "<i4",
    "values": "<f4",
    "note_starts": "<i8",
    "note_terms": "<i4",
    "note_values": "<f4",
    "note_counts": "<f4",
}


class Counted(ABC):
    """Terms by number, in the order of their bytes, each held by so many of all notes."""

    __slots__ = ()

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """The terms."""

    @property
    @abstractmethod
    def n_notes(self) -> int:
        """How many notes there are."""

    @abstractmethod
    def frequency(self, number: int) -> int:
        """How many notes hold a term."""

    def __len__(self) -> int:
        return len(self.vocabulary)

    def term(self, number: int) -> str:
        """The term with this number in the sorted vocabulary."""
        return self.vocabulary[number]

    def find(self, term: str) -> int | None:
        """The number of ``term``, or None where no note holds it."""
        return self.vocabulary.find(term)

    def known(self, counts: Mapping[str, float]) -> dict[int, float]:
        """Counts by term number, without the terms that no note holds; in the order given."""
        numbers = ((self.find(term), float(count)) for term, count in counts.items())
        return {number: count for number, count in numbers if number is not None}

    def ceiling(self, counts: Mapping[str, float], k1: float) -> float:
        """The BM25 that no note can reach for a query: the sum of count * idf(t) * (k1 + 1) over its terms, those
        included that no note holds."""
        total = 0.0
        for term, count in counts.items():
            number = self.find(term)
            frequency = 0 if number is None else self.frequency(number)
            total += count * float(idf_of(np.array(frequency), self.n_notes)) * (k1 + 1)
        return total


@dataclass(frozen=True, slots=True)
class Impacts(Counted):
    """BM25F scores of every (term, note) pair, sorted by term and then by row; the arrays may be memory maps.

    A note's score for a query is the sum of the impacts of the query's terms.
    """

    terms: npt.NDArray[np.uint8]  # the vocabulary: UTF-8, sorted by bytes, end to end
    term_starts: npt.NDArray[np.int64]  # [n_terms + 1] where each term begins in `terms`
    starts: npt.NDArray[np.int64]  # [n_terms + 1] where each term's postings begin
    rows: npt.NDArray[np.int32]  # [n_postings] ascending within a term
    values: npt.NDArray[np.float32]  # [n_postings] impacts, all above 0
    # The same postings by note, terms ascending within one: what a note says when it is itself the query.
    note_starts: npt.NDArray[np.int64]  # [n_notes + 1]
    note_terms: npt.NDArray[np.int32]  # [n_postings] term numbers
    note_values: npt.NDArray[np.float32]  # [n_postings] impacts
    note_counts: npt.NDArray[np.float32]  # [n_postings] how often the term stands in title and description

    @property
    def n_notes(self) -> int:
        """How many notes the index covers."""
        return len(self.note_starts) - 1

    @property
    def vocabulary(self) -> Vocabulary:
        """The terms."""
        return Vocabulary(self.terms, self.term_starts)

    def postings(self, number: int) -> tuple[npt.NDArray[np.int32], Scores]:
        """The rows that hold a term, ascending, and their impacts."""
        begin, end = int(self.starts[number]), int(self.starts[number + 1])
        return self.rows[begin:end], self.values[begin:end]

    def frequency(self, number: int) -> int:
        """How many notes hold a term."""
        return int(self.starts[number + 1] - self.starts[number])

    def scores(self, weights: Mapping[int, float]) -> Scores:
        """The score of every note, float32 [n_notes], for terms given by number with their weights in the query.

        0 where no term occurs.  Terms are added in the order of the mapping.
        """
        total = np.zeros(self.n_notes, dtype=np.float32)
        for number, weight in weights.items():
            rows, values = self.postings(number)
            np.add.at(total, rows, np.float32(weight) * values)  # three times as fast as total[rows] +=
        return total

    def note(self, row: int) -> tuple[npt.NDArray[np.int32], Scores, Scores]:
        """A note's terms by number, ascending, their impacts, and how often each stands in title and description."""
        part = slice(int(self.note_starts[row]), int(self.note_starts[row + 1]))
        return self.note_terms[part], self.note_values[part], self.note_counts[part]


def gather(starts: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], ...]:
    """Where the entries of several rows lie, in arrays that hold all rows end to end (row r at starts[r] to
    starts[r + 1]): their places int64 [n_entries] in the order of ``rows``, how many each row has, and where each
    row's begin among the places."""
    sizes = starts[rows + 1] - starts[rows]
    begins = np.cumsum(sizes) - sizes
    return np.repeat(starts[rows] - begins, sizes) + np.arange(sizes.sum()), sizes, begins


def compile_impacts(
    postings: Postings, analyser: Analyser, bm25: Bm25, averages: Mapping[str, float] | None = None
) -> Impacts:
    """Impacts of the terms that stand in a ranked field, with exact field lengths; the formula, and what ``averages``
    are, is that of ``impacts_of``.  Stop words neither rank nor count towards a length."""
    ranked = np.isin(np.arange(len(ALL_FIELDS)), [ALL_FIELDS.index(field) for field in bm25.fields])
    fields = (postings.places >> np.uint32(POSITION_BITS)).astype(np.uint8)
    keep = ranked[fields]
    for term in analyser.stop_terms:
        number = postings.vocabulary.find(term)
        if number is not None:
            keep[int(postings.starts[number]) : int(postings.starts[number + 1])] = False
    kept = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])[postings.starts]
    here = np.flatnonzero(np.diff(kept))
    terms = np.repeat(np.arange(len(here), dtype=np.int32), np.diff(kept)[here])
    rows, fields = postings.rows[keep], fields[keep]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (rows[1:] != rows[:-1]) | (terms[1:] != terms[:-1])
    owner = np.cumsum(first) - 1
    n_postings = int(owner[-1]) + 1 if len(owner) else 0
    counts = {
        field: np.bincount(owner[fields == ALL_FIELDS.index(field)], minlength=n_postings) for field in bm25.fields
    }
    return impacts_of(
        postings.vocabulary.take(here), terms[first], rows[first], counts, postings.n_notes, bm25, averages
    )


def impacts_of(
    vocabulary: Vocabulary,
    terms: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    counts: Mapping[str, npt.NDArray[np.int64]],
    n_notes: int,
    bm25: Bm25,
    averages: Mapping[str, float] | None = None,
) -> Impacts:
    """BM25F (Robertson, Zaragoza and Taylor 2004) of postings that come by term and row, each once, with how often
    the term stands in each field of the row: ``counts``, int64 [n_postings] a field.  Where ``averages`` are given they
    are the mean lengths of the fields, and idf is left out: each value depends on its note alone.

    tf'(t, d) = sum over fields f of  w_f tf_f(t, d) / (1 - b_f + b_f len_f(d) / avglen_f)
    impact    = idf(t) (k1 + 1) tf' / (k1 + tf')
    idf(t)    = ln(1 + (N - df + 0.5) / (df + 0.5)),  df = notes that hold t in any ranked field
    """
    frequency = np.zeros(len(rows))
    own = np.zeros(len(rows))
    for field, setting in bm25.fields.items():
        lengths = np.bincount(rows, weights=counts[field], minlength=n_notes)
        average = averages[field] if averages is not None else average_length(float(lengths.sum()), n_notes)
        norms = 1 - setting.b + setting.b * lengths / average
        here = counts[field] > 0  # where b is 1, a note without the field has a norm of 0
        frequency[here] += setting.weight * counts[field][here] / norms[rows[here]]
        if field in _OWN_TEXT:
            own += counts[field]
    document_frequency = np.bincount(terms, minlength=len(vocabulary))
    idf = idf_of(document_frequency, n_notes) if averages is None else np.ones(len(vocabulary))
    scores = idf[terms]  # in place from here: fresh memory costs more than the arithmetic
    scores *= bm25.k1 + 1
    scores *= frequency
    frequency += bm25.k1
    scores /= frequency
    values = scores.astype(np.float32)
    by_note = stable_order(rows)
    return Impacts(
        terms=vocabulary.text,
        term_starts=vocabulary.starts,
        starts=np.concatenate([[0], np.cumsum(document_frequency)]).astype(np.int64),
        rows=rows,
        values=values,
        note_starts=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_notes))]).astype(np.int64),
        note_terms=terms[by_note],
        note_values=values[by_note],
        note_counts=own.astype(np.float32)[by_note],
    )


def average_length(total: float, n_notes: int) -> float:
    """The mean length of a field that is ``total`` long in ``n_notes`` notes; 1 where it is empty."""
    return total / n_notes if total else 1.0


def idf_of(document_frequency: npt.NDArray[np.integer[Any]], n_notes: int) -> npt.NDArray[np.float64]:
    """ln(1 + (N - df + 0.5) / (df + 0.5)), of N notes for terms that df of them hold."""
    return np.log1p((n_notes - document_frequency + 0.5) / (document_frequency + 0.5))


def save_impacts(folder: Path, impacts: Impacts) -> None:
    """Write the arrays into the new folder ``folder``, one .npy each."""
    save_arrays(folder, impacts, _ARRAYS)


def load_impacts(folder: Path, n_notes: int) -> Impacts:
    """Memory-map what ``save_impacts`` wrote.

    Raises ValueError when the arrays do not fit each other or ``n_notes``.
    """
    arrays = load_arrays(folder, _ARRAYS, "the lexical index")
    impacts = Impacts(**arrays)
    fits = (
        all(array.ndim == 1 for array in arrays.values())
        and impacts.vocabulary.fits()
        and len(impacts.term_starts) == len(impacts.starts)
        and impacts.starts[-1] == len(impacts.rows) == len(impacts.values)
        and impacts.n_notes == n_notes
        and impacts.note_starts[-1] == len(impacts.note_terms) == len(impacts.note_values) == len(impacts.note_counts)
    )
    if not fits:
        raise misfit("the lexical index")
    return impacts
