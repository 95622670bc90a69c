"""This module finds the phrases of the notes whose initials spell something, over all words of all notes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.analysis import Analyser, fold
from indexer.tokens import Tokens

SIZES = range(3, 7)  # letters; for two, chance readings outnumber right ones by three to one
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64

Numbers = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Found:
    """The phrases found for some letters, an entry an occurrence.

    A phrase is its terms, stop words included; equal ones have equal hashes (and two different ones the same in one
    collection of a million with a probability under 1e-6).
    """

    letters: npt.NDArray[np.int32]  # which of the wanted letters
    phrases: Hashes
    rows: npt.NDArray[np.int32]
    firsts: Numbers  # the first token
    lasts: Numbers  # the last one


def find_phrases(tokens: Tokens, analyser: Analyser, wanted: Sequence[str]) -> Found:
    """Every phrase whose initials, with or without those of its stop words, are one of ``wanted``.

    No phrase crosses a mark or a text; it begins and ends with a word that is no stop word.  One without stop words
    inside, in a stretch that has some, is found both ways and stands there twice.
    """
    codes = {letter: code for code, letter in enumerate(sorted({letter for word in wanted for letter in word}), 1)}
    stops = np.array([analyser.is_stop(term) for term in tokens.terms], dtype=np.bool_)[tokens.numbers]
    of_form = np.array([codes.get(fold(form[0])[:1] or " ", 0) for form in tokens.forms], dtype=np.int32)
    letters = of_form[tokens.numbers]
    stretches = np.cumsum(tokens.parted, dtype=np.int32)
    everything = np.arange(len(stops), dtype=np.int32)
    content = everything[~stops]
    # Where a stretch has no stop word, what is found both ways is the same, and is taken once.
    mixed = np.bincount(stretches, weights=stops, minlength=int(stretches[-1]) + 1 if len(stretches) else 0) > 0
    found = [
        (number, firsts, lasts)
        for size in SIZES
        for places in (everything, content[mixed[stretches[content]]])
        for number, firsts, lasts in [_fitting(places, letters, stretches, stops, codes, wanted, size)]
    ]
    number, firsts, lasts = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Found(number, _hashes(tokens, firsts, lasts), tokens.rows[firsts], firsts, lasts)


def _fitting(
    places: Numbers,
    letters: Numbers,
    stretches: npt.NDArray[np.int32],
    stops: npt.NDArray[np.bool_],
    codes: dict[str, int],
    wanted: Sequence[str],
    size: int,
) -> tuple[npt.NDArray[np.int32], Numbers, Numbers]:
    """Where ``size`` of the words at ``places`` in a row have initials that are wanted: the number of these, and
    the first and the last word."""
    base = len(codes) + 1
    numbers = {sum(codes[letter] * base**at for at, letter in enumerate(word)): n for n, word in enumerate(wanted)
               if len(word) == size}  # fmt: skip
    sought = np.array(sorted(numbers), dtype=np.int64)
    if not len(sought) or len(places) < size:
        empty = np.empty(0, dtype=np.int32)
        return empty, empty, empty
    # Most places are ruled out by their first two letters, which are looked up in a table.
    begins = np.zeros(base * base, dtype=np.bool_)
    begins[sought % (base * base)] = True
    own = letters[places]
    last = len(places) - size + 1
    at = np.flatnonzero(begins[own[:last] + base * own[1 : last + 1]])
    firsts, lasts = places[at], places[at + size - 1]
    inside = (stretches[firsts] == stretches[lasts]) & ~stops[firsts] & ~stops[lasts]
    at, firsts, lasts = at[inside], firsts[inside], lasts[inside]
    spelt = sum(own[at + step].astype(np.int64) * base**step for step in range(size))
    place = np.minimum(np.searchsorted(sought, spelt), len(sought) - 1)
    hit = sought[place] == spelt
    order = np.array([numbers[code] for code in sought.tolist()], dtype=np.int32)
    return order[place[hit]], firsts[hit], lasts[hit]


def _hashes(tokens: Tokens, firsts: Numbers, lasts: Numbers) -> Hashes:
    """A number for the terms from each first token to its last, the same wherever these terms stand.

    The sum of mixed(term) times a power of the multiplier by place, modulo 2**64 (Karp and Rabin 1987).
    """
    numbers: dict[str, int] = {}
    terms = np.array([numbers.setdefault(term, len(numbers)) for term in tokens.terms], dtype=np.uint64)
    mixed = _mixed(terms)[tokens.numbers]
    sizes = lasts - firsts + 1
    total = np.zeros(len(firsts), dtype=np.uint64)
    for step in range(int(sizes.max(initial=0))):
        on = np.flatnonzero(sizes > step)
        total[on] = total[on] * np.uint64(_MULTIPLIER) + mixed[firsts[on] + step]
    return total


def _mixed(numbers: Hashes) -> Hashes:
    """Numbers spread over 64 bits (the finaliser of splitmix64, Steele, Lea and Flood 2014)."""
    spread = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    spread = (spread ^ (spread >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    spread = (spread ^ (spread >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = spread ^ (spread >> np.uint64(31))
    return mixed
