"""This module says in one sentence why two notes are related, from what stands in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from sys import intern

from indexer import Home, Note, fold

# Words that are worth naming are together as rare as one that stands in a tenth of the notes: ln 10.
_RARE = math.log(10)
_NAMED = 2  # runs of words that a reason names
_LONGEST = 6  # words of a run that are shown
_APART = ""  # stands between words that do not follow each other within a sentence
_JOINTS = " \t\n\r\xa0-\u2010\u2011\u2012\u2013"  # what may stand between the words of one run: spaces and hyphens


class Relations:
    """Says why notes of one index are related, and remembers what it read of them."""

    def __init__(self, index: Home, note: Callable[[int], Note]) -> None:
        self.index = index
        self._note = note
        self._texts: dict[int, tuple[list[str], list[str]]] = {}
        self._terms: dict[str, str] = {_APART: _APART}
        self._weights: dict[str, float] = {_APART: 0.0}

    def reasons(self, row: int, others: Sequence[int]) -> list[str]:
        """Why the note in ``row`` is related to each of the others: the strongest that can be said of the two, which
        is words that few notes hold and that are about something, a link, their topic, or nearness alone."""
        note = self._note(row)
        words, shown = self._read(note)
        terms = list(map(self._term, words))
        joined = ["" != between == between.strip() for between, _ in shown]  # by a hyphen to the word before
        places: dict[str, list[int]] = {}
        for place, term in enumerate(terms):
            if self._weight(term):  # where a run is worth beginning
                places.setdefault(term, []).append(place)
        reasons = []
        for other in others:
            their_words, their_terms = self._text(other)
            found: dict[tuple[str, ...], tuple[float, str, bool]] = {}
            for at, there, length in _common_runs(terms, places, their_terms):
                begin, end = self._trimmed(terms, joined, at, at + length)
                run = tuple(terms[begin:end])
                weight = math.fsum(map(self._weight, run))
                if weight >= _RARE and run not in found:
                    theirs = their_words[there + begin - at : there + end - at]
                    found[run] = weight, _text_of(shown[begin:end]), words[begin:end] == theirs
            reasons.append(_named(found) or _plain(note, self._note(other)))
        return reasons

    def _trimmed(self, terms: Sequence[str], joined: Sequence[bool], begin: int, end: int) -> tuple[int, int]:
        """A run without the words at its ends that weigh nothing or are parts of a longer word ("self" of
        "self-play"), and no longer than six words."""
        while begin < end and (joined[begin] or not self._weight(terms[begin])):
            begin += 1
        end = min(end, begin + _LONGEST)
        while begin < end and (joined[end] or not self._weight(terms[end - 1])):
            end -= 1
        return begin, end

    def _text(self, row: int) -> tuple[list[str], list[str]]:
        """The words of a note, folded, and their terms."""
        if row not in self._texts:
            words, _ = self._read(self._note(row))
            self._texts[row] = words, list(map(self._term, words))
        return self._texts[row]

    def _read(self, note: Note) -> tuple[list[str], list[tuple[str, str]]]:
        """The words of title and description in order, folded; and for each what stands before it and how it is
        written.  ``_APART`` stands where a sentence or a field ends."""
        words, shown = [], []
        for text in (note.title, note.description):
            end = 0
            for token in self.index.manifest.analyser.tokens(text):
                between, word = text[end : token.start], text[token.start : token.end]
                if between.strip(_JOINTS):
                    words.append(_APART)
                    shown.append((_APART, _APART))
                    between = ""
                words.append(intern(fold(word)))
                shown.append((between, word))
                end = token.end
            words.append(_APART)
            shown.append((_APART, _APART))
        return words, shown

    def _term(self, word: str) -> str:
        known = self._terms.get(word)
        if known is None:
            known = self._terms[word] = intern(self.index.manifest.analyser.term(word))
        return known

    def _weight(self, term: str) -> float:
        """How much it says that two notes share a term: ln(notes / notes that hold it), as far as it is about
        something; 0 for a stop word."""
        known = self._weights.get(term)
        if known is None:
            number = self.index.lexicon.find(term)
            if number is None:
                known = 0.0
            else:
                known = math.log(len(self.index) / self.index.lexicon.frequency(number)) * self.index.telling(number)
            self._weights[term] = known
        return known


def _text_of(shown: Sequence[tuple[str, str]]) -> str:
    """Words as they are written, from the first to the last."""
    return "".join([shown[0][1], *(between + word for between, word in shown[1:])])


def _named(found: Mapping[tuple[str, ...], tuple[float, str, bool]]) -> str:
    """The sentence that names the weightiest of the runs that two notes share; "" without any.  ``found`` holds the
    weight of each, how it is written, and whether both notes write it alike."""
    chosen: list[tuple[str, ...]] = []
    for run in sorted(found, key=lambda run: (-found[run][0], run)):
        if len(chosen) < _NAMED and not any(set(run) & set(before) for before in chosen):
            chosen.append(run)
    if not chosen:
        return ""
    verb = "say" if all(found[run][2] for run in chosen) else "speak of"
    return f"Both {verb} {' and '.join(f'“{found[run][1]}”' for run in chosen)}."


def _plain(note: Note, other: Note) -> str:
    if other.id in note.links:
        return "This note links to it."
    if note.id in other.links:
        return "It links to this note."
    if note.topic and note.topic == other.topic:
        return f"Both are of the topic “{note.topic}”."
    return "Close in meaning, in other words."


def _common_runs(
    here: Sequence[str], places: Mapping[str, Sequence[int]], there: Sequence[str]
) -> Iterator[tuple[int, int, int]]:
    """The longest runs of terms that two texts share: where each begins in the one, in the other, and its length.

    Both texts end in ``_APART``, and no run goes over it; ``places`` says where the
    terms stand in the first with which a run may begin.  Runs do not overlap in the second.
    """
    begin = 0
    while begin < len(there):
        longest, at = 0, 0
        for place in places.get(there[begin], ()):
            length = 1
            while here[place + length] == there[begin + length] != _APART:
                length += 1
            if length > longest:
                longest, at = length, place
        if longest:
            yield at, begin, longest
        begin += max(longest, 1)
