"""This module says in one sentence why two notes are related, from what stands in them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexer import Index, Note, fold

# A word, or a run of words, that is worth naming is as rare as one that stands in a tenth of the notes: ln 10.
_RARE = math.log(10)
_NAMED = 2  # words or runs that a reason names
_LONGEST = 6  # words of a run that are shown
_APART = ""  # stands between words that do not follow each other in one sentence
_JOINT = re.compile(r"[\s\-‐‑–/]*")  # what may stand between the words of one run


@dataclass(frozen=True, slots=True)
class Text:
    """The words of a note in order, folded, and as they are written; ``_APART`` where a sentence or a field ends."""

    words: list[str]
    written: list[str]


class Relations:
    """Says why notes of one index are related, and remembers what it read of them."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._texts: dict[int, Text] = {}
        self._weights: dict[str, float] = {_APART: 0.0}

    def reason(self, row: int, other: int) -> str:
        """The strongest that can be said of two notes: words that few notes hold, a link, a topic, nearness alone."""
        named = self._shared(row, other)
        if named:
            return f"Both say {_listed(named)}."
        here, there = self.index.note(row), self.index.note(other)
        if there.id in here.links:
            return "This note links to it."
        if here.id in there.links:
            return "It links to this note."
        if here.topic and here.topic == there.topic:
            return f"Both are of the topic “{here.topic}”."
        return "Close in meaning, in other words."

    def _shared(self, row: int, other: int) -> list[str]:
        """Up to two words or runs of words that both notes hold, as this one writes them, the weightiest first."""
        here, there = self._text(row), self._text(other)
        runs: dict[tuple[str, ...], tuple[float, str]] = {}
        for begin, end in _common_runs(here.words, there.words):
            while begin < end and not self._weight(here.words[begin]):
                begin += 1
            while begin < end and not self._weight(here.words[end - 1]):
                end -= 1
            end = min(end, begin + _LONGEST)
            words = tuple(here.words[begin:end])
            weight = math.fsum(map(self._weight, words))
            if weight >= _RARE:
                shown = " ".join(here.written[begin:end])
                runs.setdefault(words, (weight, shown))
        chosen: list[tuple[str, ...]] = []
        for words in sorted(runs, key=lambda words: (-runs[words][0], words)):
            if len(chosen) < _NAMED and not any(set(words) & set(before) for before in chosen):
                chosen.append(words)
        return [runs[words][1] for words in chosen]

    def _weight(self, word: str) -> float:
        """How rare a folded word is among the notes: ln(notes / notes that hold it), 0 for a stop word."""
        known = self._weights.get(word)
        if known is None:
            impacts = self.index.impacts
            number = impacts.find(self.index.manifest.analyser.term(word))
            holding = 0 if number is None else len(impacts.postings(number)[0])
            known = math.log(len(self.index) / holding) if holding else 0.0
            self._weights[word] = known
        return known

    def _text(self, row: int) -> Text:
        if row not in self._texts:
            self._texts[row] = self._read(self.index.note(row))
        return self._texts[row]

    def _read(self, note: Note) -> Text:
        words, written = [], []
        for text in (note.title, note.description):
            end = 0
            for token in self.index.manifest.analyser.tokens(text):
                if not _JOINT.fullmatch(text, end, token.start):
                    words.append(_APART)
                    written.append(_APART)
                word = text[token.start : token.end]
                words.append(fold(word))
                written.append(word)
                end = token.end
            words.append(_APART)
            written.append(_APART)
        return Text(words, written)


def _common_runs(here: Sequence[str], there: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The longest runs of words of ``here``, as [begin, end), that stand in ``there`` as well."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(there):
        if word:
            places.setdefault(word, []).append(place)
    begin = 0
    while begin < len(here):
        longest = 0
        for place in places.get(here[begin], ()):
            length = 1
            while (
                begin + length < len(here)
                and place + length < len(there)
                and here[begin + length] == there[place + length] != _APART
            ):
                length += 1
            longest = max(longest, length)
        if longest:
            yield begin, begin + longest
        begin += max(longest, 1)


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(f"“{text}”" for text in texts)
