"""This module analyses every text once: all words of all notes as numbers, for whatever is made of words."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from indexer.analysis import MARKS, Analyser
from indexer.notes import Note

# The texts of a note that are analysed, in the order in which `places` numbers them.
FIELDS = ("title", "description", "topic")
POSITION_BITS = 30  # of a place, below the number of the field
POSITION = (1 << POSITION_BITS) - 1


@dataclass(frozen=True, slots=True)
class Tokens:
    """Every word of the texts of some notes, by note, field and position.

    A form is a word as it is written; ``terms[i]`` is the term of ``forms[i]``.
    """

    forms: list[str]  # distinct, in the order of their first appearance
    terms: list[str]
    numbers: npt.NDArray[np.int32]  # [n_tokens] the form
    rows: npt.NDArray[np.int32]  # [n_tokens] the note
    places: npt.NDArray[np.uint32]  # [n_tokens] field << POSITION_BITS | position, which counts the words of the text
    parted: npt.NDArray[np.bool_]  # [n_tokens] whether a mark, or the beginning of its text, stands before it

    @property
    def fields(self) -> npt.NDArray[np.uint32]:
        """The field of each token, a number of ``FIELDS``: uint32 [n_tokens]."""
        return self.places >> np.uint32(POSITION_BITS)


def tokenise(notes: Sequence[Note], analyser: Analyser) -> Tokens:
    """The words of ``notes``; row i is the i-th of them."""
    marks = len(MARKS)
    number_of: defaultdict[str, int] = defaultdict(count().__next__)
    for mark in MARKS:
        number_of[mark]  # so that the marks come before all forms
    number, pieces = number_of.__getitem__, analyser.pieces
    found, sizes = array("i"), array("i")
    for note in notes:
        for text in (note.title, note.description, note.topic):
            before = len(found)
            found.extend(map(number, pieces(text)))
            sizes.append(len(found) - before)
    raw = np.frombuffer(found, dtype=np.int32) if found else np.empty(0, dtype=np.int32)
    at = np.flatnonzero(raw >= marks)
    texts = np.repeat(np.arange(len(sizes), dtype=np.int32), np.frombuffer(sizes, dtype=np.int32))[at]
    first = np.ones(len(at), dtype=np.bool_)
    first[1:] = texts[1:] != texts[:-1]
    parted = first.copy()
    parted[1:] |= np.diff(at) != 1
    begins = np.flatnonzero(first)
    positions = np.arange(len(at)) - np.repeat(begins, np.diff(np.append(begins, len(at))))
    rows, fields = np.divmod(texts, np.int32(len(FIELDS)))
    forms = list(number_of)[marks:]
    return Tokens(
        forms=forms,
        terms=[analyser.term(form) for form in forms],
        numbers=raw[at] - np.int32(marks),
        rows=rows,
        places=(fields.astype(np.uint32) << np.uint32(POSITION_BITS)) | positions.astype(np.uint32),
        parted=parted,
    )
