"""This module mines acronyms and what they stand for from the notes.

process reward models (PRMs)      spelt out in brackets, either way round: Schwartz and Hearst 2003
… SFT …   … supervised fine-tuning …   spelt out elsewhere, where the notes leave hardly another reading
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from indexer.acronyms import Acronyms
from indexer.analysis import UNSPACED, Analyser, fold
from indexer.impacts import Impacts
from indexer.notes import Note
from indexer.phrases import SIZES, Found, find_phrases
from indexer.tokens import FIELDS, POSITION, POSITION_BITS, Tokens
from indexer.vocabulary import Vocabulary, sort_key

Pair = tuple[str, str]  # an acronym's term, a long form's terms

# Two capitals, or a capital and a digit, in at most ten signs: PRMs, RLHF, mRNA, GPT-4; not "pass@k", not "(Left)".
_ACRONYM = r"(?=\S*[A-Z]\S*[A-Z0-9]|\S*[0-9]\S*[A-Z])[A-Za-z0-9][A-Za-z0-9&/+.-]{1,9}"
_SHORT = re.compile(_ACRONYM)
_CAPITALS = re.compile(r"\b[A-Z][A-Za-z]*[A-Z]s?\b")
_SMALL = re.compile(r"\b[a-z]{2,10}\b")
_BRACKETS = re.compile(r"\(([^()]{2,100})\)")
_LONGEST_SHORT = 10  # signs; what is longer is no acronym, and the pattern need not find that out
_FAR = 1000  # characters before a bracket in which its long form, of 15 words at most, is looked for
# What makes one word of several forms for a regular expression: see indexer.analysis.
_JOINS = re.compile(rf"[_{UNSPACED}]")

# Reading initials is right for 93 in 100 acronyms that NFCorpus explains in brackets, with these four demands.
_PHRASE_NOTES = 2  # notes that hold the phrase
_DOMINANCE = 2  # times as many notes as hold any other phrase with the same initials
_COHESION = 0.05  # notes that hold the phrase, in the geometric mean of those that hold each of its words


def mine_acronyms(notes: Sequence[Note], tokens: Tokens, analyser: Analyser, impacts: Impacts) -> Acronyms:
    """The acronyms of ``notes``, of which ``tokens`` are the words; in brackets first, and by initials those that no
    bracket explains."""
    support: dict[Pair, int] = {}
    written: dict[Pair, Counter[str]] = defaultdict(Counter)
    last: dict[Pair, int] = {}
    for row, note in enumerate(notes):
        for short, long in (pair for text in _texts(note) if "(" in text for pair in spelt_out(text)):
            terms = [token.term for token in analyser.tokens(long)]
            if len(terms) > 1:  # "hydroxyurea (HU)" would be a synonym; and a long form is told by its spaces
                key = (analyser.term(short), " ".join(terms))
                if last.get(key) != row:
                    last[key] = row
                    support[key] = support.get(key, 0) + 1
                written[key][long] += 1
    explained = {acronym for acronym, _ in support}
    capitals, small = _spellings(notes, tokens)
    _read_initials(notes, tokens, capitals, analyser, impacts, explained, support, written)
    ambiguous = {acronym for acronym, _ in support} & {analyser.term(word) for word in small}
    lines: dict[str, int] = {}
    for (acronym, long), n_notes in support.items():
        surface = min(written[acronym, long].items(), key=lambda item: (-item[1], item[0]))[0]
        lines[f"{acronym.upper() if acronym in ambiguous else acronym}\t{surface}"] = n_notes
        lines[f"{long}\t{acronym}"] = n_notes
    ordered = sorted(lines, key=sort_key)
    vocabulary = Vocabulary.of(ordered)
    return Acronyms(vocabulary.text, vocabulary.starts, np.array([lines[line] for line in ordered], dtype=np.int32))


def spelt_out(text: str) -> Iterator[tuple[str, str]]:
    """Every (acronym, long form) that ``text`` pairs by brackets, as written, in order."""
    for match in _BRACKETS.finditer(text):
        inside = re.split("[;,]", match[1])[0].strip()
        before = text[max(match.start() - _FAR, 0) : match.start()].split()
        if not before:
            continue
        if len(inside) <= _LONGEST_SHORT and _SHORT.fullmatch(inside):
            words = min(len(inside) + 5, 2 * len(inside))  # Schwartz and Hearst's bound on a long form
            found = long_form(inside, " ".join(before[-words:]))
            if found:
                yield inside, found
        elif (
            len(before[-1]) <= _LONGEST_SHORT
            and _SHORT.fullmatch(before[-1])
            and long_form(before[-1], inside) == inside
        ):
            yield before[-1], inside


def long_form(short: str, text: str) -> str | None:
    """The end of ``text`` that ``short`` abbreviates, or None (Schwartz and Hearst 2003, "A simple algorithm for
    identifying abbreviation definitions in biomedical text").

    Its letters must stand in that order, the first at the beginning of a word.  A plural s needs no partner.
    """
    letters = fold(re.sub("(?<=[A-Z])s$", "", re.sub("[^A-Za-z0-9]", "", short)))
    folded = text.lower()
    at = len(folded)
    for place in range(len(letters) - 1, -1, -1):
        at -= 1
        while at >= 0 and (folded[at] != letters[place] or (place == 0 and at > 0 and folded[at - 1].isalnum())):
            at -= 1
        if at < 0:
            return None
    found = text[at:]
    return found if len(found) > len(short) and short not in found.split() and not set("()[]") & set(found) else None


def _texts(note: Note) -> tuple[str, str, str]:
    return note.title, note.description, note.topic


def _spellings(notes: Sequence[Note], tokens: Tokens) -> tuple[set[str], set[str]]:
    """What the notes write in capitals and what in small letters, as ``_CAPITALS`` and ``_SMALL`` read it.

    Each form is looked at once.  Only where an underscore or a script without spaces joins forms to what is one word
    for a regular expression are the texts themselves read.
    """
    joined = {
        (row, field): text
        for row, note in enumerate(notes)
        for field, text in enumerate(_texts(note))
        if (not text.isascii() or "_" in text) and _JOINS.search(text)
    }
    apart = np.array([row * len(FIELDS) + field for row, field in joined], dtype=np.int64)
    here = ~np.isin(tokens.rows.astype(np.int64) * len(FIELDS) + tokens.fields, apart)
    alone = np.bincount(tokens.numbers[here], minlength=len(tokens.forms)) > 0
    texts = [*(form for form, read in zip(tokens.forms, alone.tolist(), strict=True) if read), *joined.values()]
    return (
        {word for text in texts for word in _CAPITALS.findall(text)},
        {word for text in texts for word in _SMALL.findall(text)},
    )


def _read_initials(
    notes: Sequence[Note],
    tokens: Tokens,
    capitals: set[str],
    analyser: Analyser,
    impacts: Impacts,
    explained: set[str],
    support: dict[Pair, int],
    written: dict[Pair, Counter[str]],
) -> None:
    """Add to ``support`` and ``written`` the acronyms that no bracket explains, where a phrase fits their letters."""
    wanted: dict[str, str] = {}  # letters -> term
    for word in sorted(capitals):
        letters, term = fold(re.sub("(?<=[A-Z])s$", "", word)), analyser.term(word)
        if len(letters) in SIZES and term not in explained and not analyser.is_stop(term):
            wanted[letters] = term
    found = find_phrases(tokens, analyser, list(wanted))
    order = np.lexsort((found.rows, found.phrases, found.letters))
    letters_, phrases, rows = found.letters[order], found.phrases[order], found.rows[order]
    new_phrase = np.ones(len(order), dtype=np.bool_)
    new_phrase[1:] = (letters_[1:] != letters_[:-1]) | (phrases[1:] != phrases[:-1])
    new_row = new_phrase.copy()
    new_row[1:] |= rows[1:] != rows[:-1]
    begins = np.flatnonzero(new_phrase)
    ends = np.append(begins[1:], len(order))
    n_notes = np.add.reduceat(new_row, begins, dtype=np.int64) if len(begins) else begins
    terms = list(wanted.values())
    for place, second in _foremost(letters_[begins], n_notes):
        many = int(n_notes[place])
        if many < max(_PHRASE_NOTES, _DOMINANCE * second):
            continue
        surfaces = Counter(_surface(notes, tokens, found, at) for at in order[begins[place] : ends[place]].tolist())
        term = terms[letters_[begins[place]]]
        long = " ".join(token.term for token in analyser.tokens(next(iter(surfaces))))
        if _is_phrase(long, many, term, analyser, impacts):
            support[term, long] = many
            written[term, long] = surfaces


def _foremost(letters: npt.NDArray[np.int32], n_notes: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """For each letters, ascending, the place of the phrase that most notes hold, and how many hold the next one."""
    order = np.lexsort((-n_notes, letters))
    ordered = letters[order]
    firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
    following = np.minimum(firsts + 1, len(order) - 1)
    second = np.where(ordered[following] == ordered[firsts], n_notes[order[following]], 0)
    second[following == firsts] = 0
    return list(zip(order[firsts].tolist(), second.tolist(), strict=True))


def _surface(notes: Sequence[Note], tokens: Tokens, found: Found, at: int) -> str:
    """A phrase that was found, as it is written."""
    first, last = int(found.firsts[at]), int(found.lasts[at])
    text = _texts(notes[int(found.rows[at])])[int(tokens.places[first]) >> POSITION_BITS]
    spans = Analyser.spans(text)
    return text[spans[int(tokens.places[first]) & POSITION][0] : spans[int(tokens.places[last]) & POSITION][1]]


def _is_phrase(long: str, n_notes: int, acronym: str, analyser: Analyser, impacts: Impacts) -> bool:
    """Whether the words of ``long`` belong together, and two of them stand in one note with the acronym."""
    numbers = [impacts.find(term) for term in long.split() if not analyser.is_stop(term)]
    short = impacts.find(acronym)
    if short is None or None in numbers:
        return False
    rows = [impacts.postings(number)[0] for number in dict.fromkeys(numbers) if number is not None]
    cohesion = n_notes / prod(len(found) for found in rows) ** (1 / len(rows))
    beside = sum(np.isin(impacts.postings(short)[0], found).astype(int) for found in rows)
    return cohesion >= _COHESION and int(np.max(beside)) >= 2
