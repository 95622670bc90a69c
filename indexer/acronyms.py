"""This module keeps acronyms and what they stand for, so that either finds the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.vocabulary import Vocabulary

# The arrays of an index with their types on disk.
_ARRAYS = {"text": "|u1", "starts": "<i8", "notes": "<i4"}


@dataclass(frozen=True, slots=True)
class Acronyms:
    """Both directions of every pair as sorted lines "key TAB partner"; the arrays may be memory maps.

    An acronym's key is its term, in capitals where the notes use the same letters for a word as well (AGE); its
    partner is the long form as it is written most often.  A long form's key are its terms with spaces between, stop
    words included; its partner is the acronym's term.
    """

    text: npt.NDArray[np.uint8]  # the lines: UTF-8, sorted by bytes, end to end
    starts: npt.NDArray[np.int64]  # [n_lines + 1]
    notes: npt.NDArray[np.int32]  # [n_lines] how many notes support the pair

    @property
    def lines(self) -> Vocabulary:
        """The lines."""
        return Vocabulary(self.text, self.starts)

    def partner(self, key: str) -> str | None:
        """What most notes pair with ``key``, the first by alphabet of several; None where it is no key."""
        lines = self.lines
        numbers = lines.with_prefix(f"{key}\t")
        best = max(numbers, key=lambda number: (int(self.notes[number]), -number), default=None)
        return None if best is None else lines[best].partition("\t")[2]

    def begins(self, words: str) -> bool:
        """Whether a long form of more words begins with these terms."""
        return len(self.lines.with_prefix(f"{words} ")) > 0


def save_acronyms(folder: Path, acronyms: Acronyms) -> None:
    """Write the arrays into the new folder ``folder``, one .npy each."""
    folder.mkdir()
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(acronyms, name), allow_pickle=False)


def load_acronyms(folder: Path) -> Acronyms:
    """Memory-map what ``save_acronyms`` wrote; ValueError when the arrays do not fit each other."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
    acronyms = Acronyms(**{name: np.asarray(array) for name, array in arrays.items()})
    fits = (
        {name: array.dtype.str for name, array in arrays.items()} == _ARRAYS
        and acronyms.lines.fits()
        and acronyms.notes.shape == (len(acronyms.lines),)
    )
    if not fits:
        raise ValueError("the arrays of acronyms do not fit each other")
    return acronyms
