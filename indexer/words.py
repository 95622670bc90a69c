"""This module keeps the words of the notes as they are written: what spelling and completion need, and stems lack."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.analysis import Analyser, fold
from indexer.arrays import stable_order
from indexer.impacts import Impacts
from indexer.tokens import Tokens
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


def letter_sets(words: Sequence[str]) -> npt.NDArray[np.uint64]:
    """``letter_set`` of each word, none of which is empty: uint64 [n_words]."""
    if not words:
        return np.empty(0, dtype=np.uint64)
    letters = np.frombuffer("".join(words).encode("utf-32-le"), dtype="<u4")
    starts = np.cumsum([0, *map(len, words[:-1])])
    bits: npt.NDArray[np.uint64] = np.bitwise_or.reduceat(np.uint64(1) << (letters & 63).astype(np.uint64), starts)
    return bits


def compile_words(tokens: Tokens, analyser: Analyser, impacts: Impacts, language: Collection[str]) -> Words:
    """The words of all notes, and those of ``language`` that no note holds."""
    counts = counted(tokens)
    return _words(dict.fromkeys(map(fold, language), 0) | counts, analyser, impacts, {})


def renewed(
    old: Words,
    before: Impacts,
    gone: Tokens,
    fresh: Tokens,
    analyser: Analyser,
    impacts: Impacts,
    language: Collection[str],
) -> Words:
    """The words of notes of which most are those of ``old`` and ``before``, without the notes of ``gone`` and with
    those of ``fresh``."""
    words, terms = old.vocabulary.words(), before.vocabulary.words()
    stems = {word: terms[number] for word, number in zip(words, old.terms.tolist(), strict=True) if number >= 0}
    counts = dict(zip(words, old.notes.tolist(), strict=True))
    for word, held in counted(gone).items():
        if word in counts:
            counts[word] -= held
    for word, held in counted(fresh).items():
        counts[word] = counts.get(word, 0) + held
    known = dict.fromkeys(map(fold, language), 0)
    return _words(known | {word: held for word, held in counts.items() if held}, analyser, impacts, stems)


def counted(tokens: Tokens) -> dict[str, int]:
    """How many notes hold each folded word."""
    numbers: dict[str, int] = {}
    of_form = np.array([numbers.setdefault(fold(form), len(numbers)) for form in tokens.forms], dtype=np.int32)
    words = of_form[tokens.numbers]
    order = stable_order(words)
    words, rows = words[order], tokens.rows[order]
    first = np.ones(len(words), dtype=np.bool_)
    first[1:] = (words[1:] != words[:-1]) | (rows[1:] != rows[:-1])
    counts = np.bincount(words[first], minlength=len(numbers)).tolist()
    return dict(zip(numbers, counts, strict=True))


def _words(notes: Mapping[str, int], analyser: Analyser, impacts: Impacts, stems: Mapping[str, str]) -> Words:
    """``notes``: how many hold each word; ``stems``: the terms of those that are known."""
    words = sorted((word for word in notes if 2 <= len(word) <= LONGEST), key=sort_key)
    vocabulary = Vocabulary.of(words)
    numbers = {term: number for number, term in enumerate(impacts.vocabulary.words())}
    terms = [numbers.get(stems.get(word) or analyser.term(word), -1) if notes[word] else -1 for word in words]
    return Words(
        text=vocabulary.text,
        starts=vocabulary.starts,
        notes=np.array([notes[word] for word in words], dtype=np.int32),
        terms=np.array(terms, dtype=np.int32),
        letters=letter_sets(words),
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
