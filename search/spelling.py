"""This module finds what misspelt, joined and split words were meant to be.

A word is looked at when no note holds it as it is written, and the encoder does not know it as a whole either: so a
word that is merely foreign to the notes stays as it is.  A correction must be likely, because it takes the place of
what was typed where meaning is compared; what is not likely is left to the runs of letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from indexer import Analyser, Home, Token, Words, fold, letter_set

Near = tuple[str, int]  # a word that another may be a misspelling of, and the slip that leads there
Meant = Mapping[tuple[str, ...], str]  # one folded word as typed, or two in a row -> what was meant, folded

# One edit in a word of five letters, two in one of nine.  Of 3,000 misspellings from a public list (codespell's, of
# words that the notes hold) 86 to 87 % are corrected rightly and 2 to 3 % wrongly; of real words that neither the
# notes nor the encoder know, all taken from another field, 4 % (203 notes) to 16 % (3,633 abstracts) are "corrected".
_ONE_EDIT, _TWO_EDITS = 5, 9
_ENDING = 2  # letters at the end that make another form: "unnecessary" is not meant by "unnecessarily"
_PART = 3  # letters of the shorter half of two joined words: "unassociated" is not "un associated"
BITS = np.array([byte.bit_count() for byte in range(256)], dtype=np.uint8)  # numpy 1 cannot count bits


class Slip:
    """How ``typed`` comes from ``meant`` by one edit, and how much more often that happens to the misspellings above
    than by chance to real words.  (Making an enumeration would take a cold search 1 ms.)"""

    DOUBLED = 0  # one letter for two, or two for one; 45 times
    SWAPPED = 1  # 60 times
    MISSING = 2  # 20 times
    VOWEL = 3  # one vowel for another; 7 times
    EXTRA = 4  # 6 times
    REPLACED = 5  # 2 times
    CUT = 6  # the last letter is missing; 4 times
    ENDING = 7  # one letter more at the end: less often a slip than another word
    TWO = 8  # two edits, whichever


def meant_words(index: Home, text: str) -> Meant:
    """What the words of ``text`` were meant to be, without those that can stay; {} nearly always, at the price of two
    looks at each word.

    In this order: two words that are one, one edit, one word that is two, two edits.
    """
    meant: dict[tuple[str, ...], str] = {}
    analyser, lexicon, written = index.manifest.analyser, index.lexicon, index.words.vocabulary
    tokens = list(analyser.tokens(text))
    words = [fold(text[token.start : token.end]) for token in tokens]
    plain = [word.isalpha() and not analyser.is_stop(token.term) for token, word in zip(tokens, words, strict=True)]
    place = 0
    while place < len(words):
        token, pair = tokens[place], tuple(words[place : place + 2])
        if _are_neighbours(text, tokens[place : place + 2]) and all(word.isalpha() for word in pair):
            foreign = any(plain[at] and lexicon.find(tokens[at].term) is None for at in (place, place + 1))
            if foreign and lexicon.find(analyser.term("".join(pair))) is not None:
                meant[pair] = "".join(pair)
                place += 2
                continue
        if plain[place] and written.find(words[place]) is None:
            # A capital inside is meant: RLVR and McGovern are no slips, but TestTime may still be two words.
            is_slip = text[token.start + 1 : token.end].islower()
            found = correction(index, words[place]) if is_slip else _halves(index, words[place])
            if found:
                meant[pair[:1]] = found
        place += 1
    return meant


def respell(text: str, analyser: Analyser, meant: Meant) -> str:
    """``text`` with the words that were meant in the place of those typed; a first capital stays one."""
    parts: list[str] = []
    at = place = 0
    tokens = list(analyser.tokens(text))
    words = [fold(text[token.start : token.end]) for token in tokens]
    while place < len(tokens):
        size = 2 if tuple(words[place : place + 2]) in meant and _are_neighbours(text, tokens[place : place + 2]) else 1
        right = meant.get(tuple(words[place : place + size]))
        if right is not None:
            begin = tokens[place].start
            parts += [text[at:begin], right.capitalize() if text[begin].isupper() else right]
            at = tokens[place + size - 1].end
        place += size
    return "".join([*parts, text[at:]])


def correction(index: Home, word: str) -> str | None:
    """What a folded word, written nowhere, was meant to be, or None where nothing is likely enough.

    Where its stem is known it may be a form that nobody used yet; then only a slip inside the word is put right that
    leaves the stem as it is ("reinforcment", but not "reinforcements").
    """
    analyser = index.manifest.analyser
    near = nearest(index.words, word)
    term = analyser.term(word)
    if index.lexicon.find(term) is not None or index.words.holds_form_of(word, analyser):
        inside = (other for other, slip in near if slip < Slip.REPLACED)
        return next((other for other in inside if analyser.term(other) == term), None)
    if near and near[0][1] != Slip.TWO:
        return near[0][0]
    return _halves(index, word) or (near[0][0] if near else None)


def nearest(words: Words, word: str) -> list[Near]:
    """The words that ``word`` may be a misspelling of, the likeliest first.

    They begin with the same letter and are one edit away (of words the notes lack, none with a letter replaced or cut
    off), or two, where a note holds them and they leave the ending alone.  The order is by edits, by how often such
    slips happen, by how many notes hold the word, by alphabet.
    """
    edits = 0 if len(word) < _ONE_EDIT else 1 if len(word) < _TWO_EDITS else 2
    if not edits:
        return []
    vocabulary = words.vocabulary
    begin = vocabulary.with_prefix(word[0])
    apart = np.asarray(words.letters[begin.start : begin.stop]) ^ np.uint64(letter_set(word))
    # An edit changes two letters of the set at most; this leaves about one word in a hundred.
    close = np.flatnonzero(BITS[apart.view(np.uint8).reshape(-1, 8)].sum(axis=1) <= 2 * edits) + begin.start
    pairs = [(vocabulary[number], int(words.notes[number])) for number in close.tolist()]
    pairs = [(other, notes) for other, notes in pairs if abs(len(other) - len(word)) <= edits and other.isalpha()]
    found = []
    distances = edit_distances(word, [other for other, _ in pairs])
    for (other, notes), distance in zip(pairs, distances.tolist(), strict=True):
        slip = _slip(word, other) if distance == 1 else Slip.TWO
        if distance == 1:
            likely = slip < Slip.REPLACED or (slip < Slip.ENDING and notes > 0)
        else:
            ending = min(len(word), len(other)) - _ENDING
            inside = other[-1] == word[-1] and _beginning(word, other) < ending
            likely = distance == edits == 2 and notes > 0 and inside
        if likely:
            found.append((slip == Slip.TWO, slip > Slip.MISSING, -notes, slip, other))
    return [(other, slip) for *_, slip, other in sorted(found)]


def edit_distances(word: str, candidates: Sequence[str], prefix: bool = False) -> npt.NDArray[np.int64]:
    """How many edits lead from ``word`` to each candidate: int64 [len(candidates)].

    An edit puts in, leaves out or replaces a letter, or swaps two neighbours, which are not edited again (restricted
    Damerau-Levenshtein, also called optimal string alignment).  With ``prefix``, to the nearest beginning of each.
    All candidates move through one table together: its row i holds the distances of the first i letters of ``word``
    to every beginning of every candidate.
    """
    if not candidates:
        return np.zeros(0, dtype=np.int64)
    table = np.array(candidates).view(np.uint32).reshape(len(candidates), -1).T  # [longest, n], 0 behind the end
    places = np.arange(len(table) + 1)[:, None]
    above = two_above = np.repeat(places, len(candidates), axis=1)
    for place, letter in enumerate(word):
        same = table == ord(letter)
        row = above + 1
        np.minimum(row[1:], above[:-1] + ~same, out=row[1:])
        if place:
            swapped = same[:-1] & (table[1:] == ord(word[place - 1]))
            row[2:][swapped] = np.minimum(row[2:], two_above[:-2] + 1)[swapped]
        # A letter put in costs 1 more than the place to its left: the running minimum along the row says so.
        row = np.minimum.accumulate(row - places, axis=0) + places
        two_above, above = above, row
    lengths = np.array([len(candidate) for candidate in candidates])
    if prefix:
        nearest_beginning: npt.NDArray[np.int64] = np.where(places <= lengths, above, len(word)).min(axis=0)
        return nearest_beginning
    whole: npt.NDArray[np.int64] = above[lengths, np.arange(len(candidates))]
    return whole


def _are_neighbours(text: str, tokens: Sequence[Token]) -> bool:
    return len(tokens) == 2 and text[tokens[0].end : tokens[1].start] in (" ", "-")


def _halves(index: Home, word: str) -> str | None:
    """Two words that ``word`` joins and one note holds, or a stop word before a longer one ("incontext"); of several
    such pairs the one that most notes hold."""
    analyser, lexicon = index.manifest.analyser, index.lexicon
    found: list[tuple[int, str]] = []
    for at in range(2, len(word) - 1):
        parts = (word[:at], word[at:])
        content = [part for place, part in enumerate(parts) if place or not analyser.is_stop(part)]
        if min(map(len, content), default=0) < (_PART if len(content) == 2 else _PART + 1):
            continue
        numbers = [lexicon.find(analyser.term(part)) for part in content]
        if any(index.words.vocabulary.find(part) is None for part in content) or None in numbers:
            continue
        together = index.holding([number for number in numbers if number is not None], every=True)
        if together:
            found.append((-together, " ".join(parts)))
    return min(found)[1] if found else None


def _slip(typed: str, meant: str) -> int:
    """Which slip leads from ``meant`` to ``typed``, one edit away."""
    if len(typed) == len(meant):
        apart = [place for place in range(len(typed)) if typed[place] != meant[place]]
        if len(apart) == 2:
            return Slip.SWAPPED
        vowels = typed[apart[0]] in "aeiouy" and meant[apart[0]] in "aeiouy"
        return Slip.VOWEL if vowels else Slip.REPLACED
    shorter, longer = sorted((typed, meant), key=len)
    place = _beginning(shorter, longer)
    if longer[place] == longer[place - 1]:
        return Slip.DOUBLED
    if place == len(shorter):
        return Slip.CUT if typed == shorter else Slip.ENDING
    return Slip.MISSING if typed == shorter else Slip.EXTRA


def _beginning(one: str, other: str) -> int:
    """How many letters two words begin with in common."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)
