"""This module mines acronyms and what they stand for from the notes.

process reward models (PRMs)      spelt out in brackets, either way round: Schwartz and Hearst 2003
… SFT …   … supervised fine-tuning …   spelt out elsewhere, where the notes leave hardly another reading
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import prod

import numpy as np

from indexer.acronyms import Acronyms
from indexer.analysis import Analyser, Token, fold
from indexer.impacts import Impacts
from indexer.notes import Note
from indexer.vocabulary import Vocabulary, sort_key

# Two capitals, or a capital and a digit, in at most ten signs: PRMs, RLHF, mRNA, GPT-4; not "pass@k", not "(Left)".
_ACRONYM = r"(?=\S*[A-Z]\S*[A-Z0-9]|\S*[0-9]\S*[A-Z])[A-Za-z0-9][A-Za-z0-9&/+.-]{1,9}"
_SHORT = re.compile(_ACRONYM)
_CAPITALS = re.compile(r"\b[A-Z][A-Za-z]*[A-Z]s?\b")
_SMALL = re.compile(r"\b[a-z]{2,10}\b")
_BRACKETS = re.compile(r"\(([^()]{2,100})\)")
_BREAK = re.compile(r"[.,;:!?()\[\]\n/]")  # what no phrase crosses
_LONGEST_SHORT = 10  # signs; what is longer is no acronym, and the pattern need not find that out
_FAR = 1000  # characters before a bracket in which its long form, of 15 words at most, is looked for

# Reading initials is right for 93 in 100 acronyms that NFCorpus explains in brackets, with these four demands.
_INITIALS = range(3, 7)  # letters; for two, chance readings outnumber right ones by three to one
_PHRASE_NOTES = 2  # notes that hold the phrase
_DOMINANCE = 2  # times as many notes as hold any other phrase with the same initials
_COHESION = 0.05  # notes that hold the phrase, in the geometric mean of those that hold each of its words


def mine_acronyms(notes: Sequence[Note], fields: Iterable[str], analyser: Analyser, impacts: Impacts) -> Acronyms:
    """The acronyms of the notes, from ``fields``; in brackets first, and by initials those that no bracket explains."""
    names = tuple(fields)
    texts = [[getattr(note, name) for name in names] for note in notes]
    support: dict[tuple[str, str], set[int]] = defaultdict(set)  # acronym's term, long form's terms -> rows
    written: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row, parts in enumerate(texts):
        for short, long in (pair for part in parts for pair in spelt_out(part)):
            terms = [token.term for token in analyser.tokens(long)]
            if len(terms) > 1:  # "hydroxyurea (HU)" would be a synonym; and a long form is told by its spaces
                key = (analyser.term(short), " ".join(terms))
                support[key].add(row)
                written[key][long] += 1
    explained = {acronym for acronym, _ in support}
    _read_initials(texts, analyser, impacts, explained, support, written)
    ambiguous = _words_too(texts, analyser, {acronym for acronym, _ in support})
    lines: dict[str, int] = {}
    for (acronym, long), rows in support.items():
        surface = min(written[acronym, long].items(), key=lambda item: (-item[1], item[0]))[0]
        lines[f"{acronym.upper() if acronym in ambiguous else acronym}\t{surface}"] = len(rows)
        lines[f"{long}\t{acronym}"] = len(rows)
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


def _read_initials(
    texts: Sequence[Sequence[str]],
    analyser: Analyser,
    impacts: Impacts,
    explained: set[str],
    support: dict[tuple[str, str], set[int]],
    written: dict[tuple[str, str], Counter[str]],
) -> None:
    """Add to ``support`` and ``written`` the acronyms that no bracket explains, where a phrase fits their letters."""
    wanted: dict[str, str] = {}  # letters -> term
    for parts in texts:
        for word in (word for part in parts for word in _CAPITALS.findall(part)):
            letters, term = fold(re.sub("(?<=[A-Z])s$", "", word)), analyser.term(word)
            if len(letters) in _INITIALS and term not in explained and not analyser.is_stop(term):
                wanted[letters] = term
    phrases: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))  # letters -> terms -> rows
    spelt: dict[str, Counter[str]] = defaultdict(Counter)
    for row, parts in enumerate(texts):
        for letters, long, surface in (found for part in parts for found in _fitting(part, analyser, wanted)):
            phrases[letters][long].add(row)
            spelt[long][surface] += 1
    for letters, term in wanted.items():
        found = sorted(phrases.get(letters, {}).items(), key=lambda item: (-len(item[1]), item[0]))
        if not found:
            continue
        long, rows = found[0]
        second = len(found[1][1]) if len(found) > 1 else 0
        if len(rows) >= max(_PHRASE_NOTES, _DOMINANCE * second) and _is_phrase(
            long, len(rows), term, analyser, impacts
        ):
            support[term, long] = rows
            written[term, long] = spelt[long]


def _fitting(text: str, analyser: Analyser, wanted: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Every phrase in ``text`` whose initials are wanted, with or without those of its stop words: the letters, its
    terms, the phrase as written.  It begins and ends with a word that is none."""
    for run in _runs(text, analyser):
        letters = [fold(text[token.start])[:1] or " " for token in run]
        content = [place for place, token in enumerate(run) if not analyser.is_stop(token.term)]
        for places in (range(len(run)), content) if len(content) < len(run) else (content,):
            initials = "".join(letters[place] for place in places)
            for size in _INITIALS:
                for at in range(len(places) - size + 1):
                    if initials[at : at + size] in wanted:
                        first, last = places[at], places[at + size - 1]
                        if not (analyser.is_stop(run[first].term) or analyser.is_stop(run[last].term)):
                            terms = " ".join(token.term for token in run[first : last + 1])
                            yield initials[at : at + size], terms, text[run[first].start : run[last].end]


def _runs(text: str, analyser: Analyser) -> Iterator[list[Token]]:
    """The words of ``text``, parted where no phrase goes on."""
    run: list[Token] = []
    for token in analyser.tokens(text):
        if run and _BREAK.search(text, run[-1].end, token.start):
            yield run
            run = []
        run.append(token)
    if run:
        yield run


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


def _words_too(texts: Sequence[Sequence[str]], analyser: Analyser, acronyms: set[str]) -> set[str]:
    """The acronyms whose letters the notes also write small, as a word."""
    small = {word for parts in texts for part in parts for word in _SMALL.findall(part)}
    return acronyms & {analyser.term(word) for word in small}
