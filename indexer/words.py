"""This module keeps the words of the notes as they are written: what spelling and completion need, and stems lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.analysis import Analyser, fold
from indexer.impacts import Impacts
from indexer.notes import Note
from indexer.vocabulary import Vocabulary, sort_key

LONGEST = 64  # letters; nobody types a longer word, and every candidate is padded to the longest
# The arrays of an index with their types on disk.
_ARRAYS = {"text": "|u1", "starts": "<i8", "notes": "<i4", "terms": "<i4", "letters": "<u8"}


@dataclass(frozen=True, slots=True)
class Words:
    """Folded words of 2 to ``LONGEST`` letters, sorted; the arrays may be memory maps.

    Beside those of the notes stand those that the encoder knows as a whole, held by 0 notes: what tells a word that
    is merely foreign to the notes from one that is misspelt.
    """

    text: npt.NDArray[np.uint8]  # UTF-8, sorted by bytes, end to end
    starts: npt.NDArray[np.int64]  # [n_words + 1] where each word begins in `text`
    notes: npt.NDArray[np.int32]  # [n_words] how many notes hold the word in a ranked field
    terms: npt.NDArray[np.int32]  # [n_words] the number of its term in the impacts, or -1 (stop words, 0 notes)
    letters: npt.NDArray[np.uint64]  # [n_words] `letter_set` of each

    @property
    def vocabulary(self) -> Vocabulary:
        """The words."""
        return Vocabulary(self.text, self.starts)

    def __len__(self) -> int:
        return len(self.notes)

    def holds_form_of(self, word: str, analyser: Analyser) -> bool:
        """Whether a folded word stands here, or another with the same stem."""
        vocabulary = self.vocabulary
        if vocabulary.find(word) is not None:
            return True
        stem = analyser.term(word)
        # Snowball may change the last letter of what stays of a word (happy: happi).
        return any(analyser.term(vocabulary[number]) == stem for number in vocabulary.with_prefix(stem[:-1] or stem))


def letter_set(word: str) -> int:
    """The letters of a word as a set of 64 bits, a letter's bit being its code point modulo 64.

    An edit (a letter put in, left out or replaced) changes two bits at most, a swap none.
    """
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) & 63)
    return bits


def compile_words(
    notes: Sequence[Note], fields: Iterable[str], analyser: Analyser, impacts: Impacts, language: Collection[str]
) -> Words:
    """The words in ``fields`` of all notes, and those of ``language`` that no note holds."""
    counts: Counter[str] = Counter()
    names = tuple(fields)
    for note in notes:
        texts = [getattr(note, name) for name in names]
        counts.update({fold(text[token.start : token.end]) for text in texts for token in analyser.tokens(text)})
    counts.update(dict.fromkeys(map(fold, language), 0))
    words = sorted((word for word in counts if 2 <= len(word) <= LONGEST), key=sort_key)
    vocabulary = Vocabulary.of(words)
    numbers = [impacts.find(analyser.term(word)) if counts[word] else None for word in words]
    return Words(
        text=vocabulary.text,
        starts=vocabulary.starts,
        notes=np.array([counts[word] for word in words], dtype=np.int32),
        terms=np.array([-1 if number is None else number for number in numbers], dtype=np.int32),
        letters=np.array([letter_set(word) for word in words], dtype=np.uint64),
    )


def save_words(folder: Path, words: Words) -> None:
    """Write the arrays into the new folder ``folder``, one .npy each."""
    folder.mkdir()
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(words, name), allow_pickle=False)


def load_words(folder: Path) -> Words:
    """Memory-map what ``save_words`` wrote; ValueError when the arrays do not fit each other."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
    words = Words(**{name: np.asarray(array) for name, array in arrays.items()})  # a view is sliced sooner than a map
    fits = (
        {name: array.dtype.str for name, array in arrays.items()} == _ARRAYS
        and words.vocabulary.fits()
        and words.notes.shape == words.terms.shape == words.letters.shape == (len(words.starts) - 1,)
    )
    if not fits:
        raise ValueError("the arrays of words do not fit each other")
    return words
