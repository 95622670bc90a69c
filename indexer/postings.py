"""This module keeps where every term stands, note by note and word by word: what constraints are decided on, and what
the ranking is compiled from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.analysis import tag_term
from indexer.arrays import load_arrays, misfit, save_arrays, stable_order
from indexer.notes import Note
from indexer.tokens import FIELDS, POSITION, POSITION_BITS, Tokens
from indexer.vocabulary import Vocabulary, sort_key

TAG = len(FIELDS)  # the number of the field of tags, whose position counts the tags of a note
ALL_FIELDS = (*FIELDS, "tag")
# The arrays of an index with their types on disk.
_ARRAYS = {"terms": "|u1", "term_starts": "<i8", "starts": "<i8", "rows": "<i4", "places": "<u4"}


@dataclass(frozen=True, slots=True)
class Postings:
    """Every occurrence of every term, stop words and tags included; the arrays may be memory maps.

    By term; of one term those in texts before those that are tags; then by row, field and position.
    """

    n_notes: int
    terms: npt.NDArray[np.uint8]  # the vocabulary: UTF-8, sorted by bytes, end to end
    term_starts: npt.NDArray[np.int64]  # [n_terms + 1] where each term begins in `terms`
    starts: npt.NDArray[np.int64]  # [n_terms + 1] where each term's occurrences begin
    rows: npt.NDArray[np.int32]  # [n_occurrences]
    places: npt.NDArray[np.uint32]  # [n_occurrences] field << POSITION_BITS | position

    @property
    def vocabulary(self) -> Vocabulary:
        """The terms."""
        return Vocabulary(self.terms, self.term_starts)

    def of(self, number: int, field: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
        """Where a term stands in one field: rows, ascending, a row as often as the term stands there, and positions,
        ascending within a row."""
        part = slice(int(self.starts[number]), int(self.starts[number + 1]))
        places = self.places[part]
        here = places >> np.uint32(POSITION_BITS) == field
        return self.rows[part][here], places[here] & np.uint32(POSITION)

    def holding(self, numbers: range, field: int) -> list[int]:
        """Those of consecutive term numbers that stand in a field, ascending."""
        starts = self.starts[numbers.start : numbers.stop + 1]
        if len(starts) < 2:
            return []
        here = self.places[int(starts[0]) : int(starts[-1])] >> np.uint32(POSITION_BITS) == field
        before = np.concatenate([[0], np.cumsum(here)])[starts - starts[0]]
        return (np.flatnonzero(np.diff(before)) + numbers.start).tolist()


def collect(tokens: Tokens, notes: Sequence[Note]) -> Postings:
    """The postings of ``notes``, of which ``tokens`` are the words."""
    tags = [(tag_term(tag), row, place) for row, note in enumerate(notes) for place, tag in enumerate(note.tags)]
    tags = [(term, row, place) for term, row, place in tags if term]
    words = sorted({*tokens.terms, *(term for term, _, _ in tags)}, key=sort_key)
    numbers = {term: number for number, term in enumerate(words)}
    of_form = np.array([numbers[term] for term in tokens.terms], dtype=np.int32)
    of_tag = np.array([numbers[term] for term, _, _ in tags], dtype=np.int32)
    terms = np.concatenate([of_form[tokens.numbers], of_tag])
    rows = np.concatenate([tokens.rows, np.array([row for _, row, _ in tags], dtype=np.int32)])
    tag_places = np.array([TAG << POSITION_BITS | place for _, _, place in tags], dtype=np.uint32)
    places = np.concatenate([tokens.places, tag_places])
    counts = np.bincount(terms, minlength=len(words))
    order = stable_order(terms)  # tokens come by row, field and position, and tags behind them
    vocabulary = Vocabulary.of(words)
    return Postings(
        n_notes=len(notes),
        terms=vocabulary.text,
        term_starts=vocabulary.starts,
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        rows=rows[order],
        places=places[order],
    )


def renewed(old: Postings, kept: npt.NDArray[np.int64], fresh: Postings, rows: npt.NDArray[np.int32]) -> Postings:
    """What ``collect`` gives for notes of which most are those of ``old``: int64 [n_notes] ``kept`` says which row of
    ``old`` each is, ascending, or -1 for those of ``fresh``, of which row i is now in ``rows[i]``."""
    row_of = np.full(old.n_notes + 1, -1, dtype=np.int32)
    row_of[kept] = np.arange(len(kept), dtype=np.int32)  # what -1 names is not read
    row_of[-1] = -1
    held = row_of[old.rows]
    stays = held >= 0
    counts = np.diff(np.concatenate([[0], np.cumsum(stays)])[old.starts])
    alive = np.flatnonzero(counts)
    before = old.vocabulary.take(alive).encoded()
    words = sorted({*before, *fresh.vocabulary.encoded()})
    number_of = {word: number for number, word in enumerate(words)}
    old_terms = np.repeat(np.array([number_of[word] for word in before], dtype=np.int64), counts[alive])
    new_terms = np.repeat(
        np.array([number_of[word] for word in fresh.vocabulary.encoded()], dtype=np.int64), np.diff(fresh.starts)
    )
    old_rows, old_places = held[stays], old.places[stays]
    new_rows = rows[fresh.rows]
    at = np.searchsorted(_order(old_terms, old_rows, old_places), _order(new_terms, new_rows, fresh.places))
    vocabulary = Vocabulary.joined(words)
    totals = np.bincount(old_terms, minlength=len(words)) + np.bincount(new_terms, minlength=len(words))
    return Postings(
        n_notes=len(kept),
        terms=vocabulary.text,
        term_starts=vocabulary.starts,
        starts=np.concatenate([[0], np.cumsum(totals)]).astype(np.int64),
        rows=np.insert(old_rows, at, new_rows),
        places=np.insert(old_places, at, fresh.places),
    )


def _order(
    terms: npt.NDArray[np.int64], rows: npt.NDArray[np.int32], places: npt.NDArray[np.uint32]
) -> npt.NDArray[np.int64]:
    """A number for each occurrence that grows with term, then text before tag, then row."""
    tags = (places >> np.uint32(POSITION_BITS) == TAG).astype(np.int64)
    numbers: npt.NDArray[np.int64] = terms << 33 | tags << 32 | rows
    return numbers


def save_postings(folder: Path, postings: Postings) -> None:
    """Write the arrays into the new folder ``folder``, one .npy each."""
    save_arrays(folder, postings, _ARRAYS)


def load_postings(folder: Path, n_notes: int) -> Postings:
    """Memory-map what ``save_postings`` wrote; ValueError when the arrays do not fit each other."""
    arrays = load_arrays(folder, _ARRAYS, "the postings")
    postings = Postings(n_notes, **arrays)
    fits = (
        all(array.ndim == 1 for array in arrays.values())
        and postings.vocabulary.fits()
        and len(postings.term_starts) == len(postings.starts)
        and postings.starts[-1] == len(postings.rows) == len(postings.places)
    )
    if not fits:
        raise misfit("the postings")
    return postings
