"""This module lets acronyms and what they stand for find each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexer import Analyser, Home, Token

# What the words of a long form count for its acronym, and an acronym for its long form.  Small, because the notes that
# hold what was typed should stand first: 0.5 and 0.2 leave NFCorpus where it is (+0.0003, +0.0001).
_LONG, _SHORT = 0.5, 0.2
# An acronym is spelt out only where it is rare and the query short.  In many notes it is a word like others: RL and LLM
# spelt out cost the notes 0.013.  In a long query its neighbours tell what it means: with both bounds NFCorpus (train)
# gains 0.0005 and SciFact (train) 0.0014 over all queries, without the second SciFact loses 0.0004.
_FEW, _SHARE = 2, 0.01  # notes that hold the acronym at most: two, or one in a hundred
_SHORT_QUERY = 6  # words that are no stop words
_LONGEST = 10  # words of a long form that are looked for


@dataclass(frozen=True, slots=True)
class Expansion:
    """A stretch of a text, [start, end), and what stands for it as well."""

    start: int
    end: int
    partner: str  # a long form as it is written, or an acronym's term
    is_acronym: bool  # whether the stretch is the acronym


def expansions(index: Home, text: str) -> list[Expansion]:
    """The acronyms worth spelling out and the long forms in ``text``, in its order, none inside another."""
    analyser = index.manifest.analyser
    tokens = list(analyser.tokens(text))
    is_short = sum(not analyser.is_stop(token.term) for token in tokens) <= _SHORT_QUERY
    found: list[Expansion] = []
    place = 0
    while place < len(tokens):
        size, short = _long_form(index, tokens[place : place + _LONGEST])
        if short is not None:
            found.append(Expansion(tokens[place].start, tokens[place + size - 1].end, short, is_acronym=False))
        elif is_short and not analyser.is_stop(tokens[place].term) and not _ends_compound(text, tokens[place].start):
            long = _spelt_out(index, tokens[place].term, text[tokens[place].start : tokens[place].end])
            if long is not None:
                found.append(Expansion(tokens[place].start, tokens[place].end, long, is_acronym=True))
        place += size
    return found


def expanded_terms(analyser: Analyser, found: Sequence[Expansion]) -> dict[str, float]:
    """The terms that expansions add to a query, with what each counts."""
    terms: dict[str, float] = {}
    for expansion in found:
        if expansion.is_acronym:
            terms.update(dict.fromkeys(analyser.terms(expansion.partner), _LONG))
        else:
            terms.setdefault(expansion.partner, _SHORT)
    return terms


def spell_out(text: str, found: Sequence[Expansion]) -> str:
    """``text`` with the long form in brackets behind each acronym."""
    for expansion in reversed(found):
        if expansion.is_acronym:
            text = f"{text[: expansion.end]} ({expansion.partner}){text[expansion.end :]}"
    return text


def _ends_compound(text: str, start: int) -> bool:
    """Whether a hyphen joins what begins at ``start`` to the word before it: G-CSF is no CSF."""
    return start > 1 and text[start - 1] in "-\u2010\u2011" and text[start - 2].isalnum()


def _long_form(index: Home, tokens: Sequence[Token]) -> tuple[int, str | None]:
    """How many of ``tokens`` the longest long form at their beginning takes, and its acronym; (1, None) where none."""
    best: tuple[int, str | None] = (1, None)
    words = tokens[0].term
    for size in range(2, len(tokens) + 1):
        if not index.acronyms.begins(words):
            break
        words = f"{words} {tokens[size - 1].term}"
        short = index.acronyms.partner(words)
        if short is not None:
            best = (size, short)
    return best


def _spelt_out(index: Home, term: str, typed: str) -> str | None:
    """What an acronym stands for, or None where it is none, or too frequent.

    One that the notes also use as a word must be typed in capitals.
    """
    number = index.lexicon.find(term)
    holding = 0 if number is None else index.lexicon.frequency(number)
    if holding > max(_FEW, _SHARE * len(index)):
        return None
    in_capitals = sum(letter.isupper() for letter in typed) > 1
    return index.acronyms.partner(term) or (index.acronyms.partner(term.upper()) if in_capitals else None)
