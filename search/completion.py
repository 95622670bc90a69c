"""This module completes the word that is being typed, from the words of the notes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import log1p

import numpy as np
import numpy.typing as npt

from indexer import Home, Token, fold, letter_set
from search.spelling import BITS, edit_distances

# Completions that are weighed, those that most notes hold first: as many as take 2 ms at 20,000 notes.
_WEIGHED = 100
# One edit in a beginning of four letters, two in one of nine, where no word begins as typed.
_ONE_EDIT, _TWO_EDITS = 4, 9


def unfinished(index: Home, text: str) -> Token | None:
    """The word at the very end of ``text``, or None where it ends with a space, a sign or nothing."""
    last = deque(index.manifest.analyser.tokens(text), maxlen=1)
    return last[0] if last and last[0].end == len(text) else None


def complete(index: Home, text: str, k: int) -> list[str]:
    """The ``k`` words that the last word of ``text`` may become, folded, the most useful first; [] where it is none.

    They begin with it and are longer or, where no word of the notes does, begin nearly so.  First come those that
    stand in the notes that the words before ask for (their BM25, summed over the notes that hold the word), then those
    that most notes hold, then by alphabet.  Stop words are left out.
    """
    last = unfinished(index, text)
    if last is None:
        return []
    lexicon, words = index.lexicon, index.words
    before = dict.fromkeys(index.manifest.analyser.terms(text[: last.start]), 1.0)
    vocabulary = words.vocabulary
    ranked = []
    typed = fold(text[last.start : last.end])
    numbers = begun(index, typed).tolist()
    terms = words.terms[numbers].tolist()
    wanted = index.together(lexicon.known(before), terms) if before else [0.0] * len(terms)
    for number, term, score in zip(numbers, terms, wanted, strict=True):
        word, notes = vocabulary[number], int(words.notes[number])
        # A term stands for all its forms: each has its part of what the term's notes give.
        together = score * notes / lexicon.frequency(term)
        if word != typed and word.isalnum():  # not "model's"
            ranked.append((-together, -notes, word))
    return [word for *_, word in sorted(ranked)[:k]]


def finished(index: Home, text: str) -> str:
    """``text`` with its last word as it will most likely be; as it is where that word stands in a note already, or
    where nothing begins so."""
    last = unfinished(index, text)
    if last is None:
        return text
    number = index.words.vocabulary.find(fold(text[last.start : last.end]))
    if number is not None and index.words.notes[number]:
        return text
    return text[: last.start] + next(iter(complete(index, text, 1)), text[last.start :])


def begun_terms(index: Home, typed: str) -> Mapping[int, float]:
    """The terms that a folded beginning may become, by number, with what each counts: together they count as one term
    that stands in every note that any of them stands in, so that a rare completion does not outweigh a likely one."""
    n_notes = len(index)
    numbers = list(dict.fromkeys(index.words.terms[begun(index, typed)].tolist()))

    def idf(holding: int) -> float:
        return log1p((n_notes - holding + 0.5) / (holding + 0.5))

    together = idf(index.holding(numbers, every=False))
    return {number: together / idf(index.lexicon.frequency(number)) for number in numbers}


def begun(index: Home, typed: str) -> npt.NDArray[np.int64]:
    """The numbers of the words in the notes that begin with ``typed`` or, where none does, within one or two edits of
    it: int64, those that most notes hold first, at most ``_WEIGHED``; stop words left out."""
    words = index.words
    span = words.vocabulary.with_prefix(typed)
    numbers = np.arange(span.start, span.stop)[words.terms[span.start : span.stop] >= 0]
    if not len(numbers):
        numbers = _nearly_begun(index, typed)
    order = np.lexsort((numbers, -words.notes[numbers]))[:_WEIGHED]
    chosen: npt.NDArray[np.int64] = numbers[order]
    return chosen


def _nearly_begun(index: Home, typed: str) -> npt.NDArray[np.int64]:
    words = index.words
    edits = 0 if len(typed) < _ONE_EDIT else 1 if len(typed) < _TWO_EDITS else 2
    if not edits:
        return np.zeros(0, dtype=np.int64)
    span = words.vocabulary.with_prefix(typed[0])
    # An edit brings in one letter that the word lacks at most.
    lacking = np.uint64(letter_set(typed)) & ~np.asarray(words.letters[span.start : span.stop])
    may = (BITS[lacking.view(np.uint8).reshape(-1, 8)].sum(axis=1) <= edits) & (
        words.terms[span.start : span.stop] >= 0
    )
    numbers = np.flatnonzero(may) + span.start
    vocabulary = words.vocabulary
    near = edit_distances(typed, [vocabulary[number] for number in numbers.tolist()], prefix=True) <= edits
    found: npt.NDArray[np.int64] = numbers[near]
    return found
