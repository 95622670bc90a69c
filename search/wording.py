"""This module settles what the words of a query stand for in one index, before the legs look for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from indexer import Home, fold
from search.expansion import expanded_terms, expansions, spell_out
from search.query import Query
from search.spelling import Meant, meant_words, respell

# What a term counts that stands in the place of a misspelt one; 0.6 to 1 differ by less than 0.001 in nDCG.
_SPELT = 0.8
_BEGINNING = 2  # letters from which on an unfinished word says something


@dataclass(frozen=True, slots=True)
class Wording:
    """What the words of a query stand for in one index."""

    terms: Mapping[int, float]  # by number, those that the vocabulary knows, with what each counts
    asked: frozenset[str]  # the terms that a note must hold to hold every word, known or not
    ceiling: float  # the BM25 that no note can reach for these words
    text: str  # what the encoder reads
    meant: Meant  # what was misspelt, and how it was read


def may_go_on(typed: str, query: Query) -> bool:
    """Whether ``typed``, which was read as ``query``, ends in a word that ranks and may not be finished: not with a
    sign, a filter, an exclusion, a field's word or a fuzzy one."""
    return typed[-1:].isalnum() and typed.rsplit(None, 1)[-1:] == query.text.rsplit(None, 1)[-1:]


def word(index: Home, query: Query, typing: bool = False) -> Wording:
    """The wording of a query: its terms with how often each stands in it, the terms that prefixes and fuzzy words
    match, and, counting less, misspelt words as they were meant and the other form of acronyms.

    The encoder reads what was meant, and rare acronyms spelt out.  While ``typing``, the last word also stands for
    every word that begins so, and the encoder reads it as the likeliest of them.
    """
    analyser = index.manifest.analyser
    if typing:
        from search.completion import unfinished  # here, so that a plain search does not pay for it

        last = unfinished(index, query.words)
        if last is not None and len(query.words) - last.start >= _BEGINNING:
            return _while_typing(index, query, last.start)
    weights: dict[str, float] = dict(Counter(analyser.terms(query.words)))
    if query.expansions:
        from search.constraints import expansion_terms  # here, so that a plain search does not pay for it

        for term in expansion_terms(index, query.expansions):
            weights.setdefault(term, 1)
    words, text = query.words, query.text
    meant = meant_words(index, words)
    if meant:
        words, text = respell(words, analyser, meant), respell(text, analyser, meant)
        for term in (term for right in meant.values() for term in analyser.terms(right)):
            weights.setdefault(term, _SPELT)
    found = expansions(index, words)
    for term, weight in expanded_terms(analyser, found).items():
        weights.setdefault(term, weight)
    asked = Counter(analyser.terms(words))
    return Wording(
        terms=index.lexicon.known(weights),
        asked=frozenset(asked),
        ceiling=index.lexicon.ceiling(asked, index.manifest.bm25.k1),
        text=spell_out(text, found if text == words else expansions(index, text)),
        meant=meant,
    )


def _while_typing(index: Home, query: Query, start: int) -> Wording:
    """The wording of a query whose last word, from ``start`` on, is not finished: it is no slip and no acronym yet, and
    what it could give at most is not known."""
    from search.completion import begun_terms, finished

    begun, typed = query.words[:start], query.words[start:]
    text = query.text[: len(query.text) - len(typed)]
    before = word(index, replace(query, words=begun, text=text))
    terms = dict(before.terms)
    for number, weight in begun_terms(index, fold(typed)).items():
        terms[number] = max(terms.get(number, 0.0), weight)
    typed_term = index.lexicon.find(index.manifest.analyser.term(typed))
    if typed_term is not None:
        terms[typed_term] = max(terms.get(typed_term, 0.0), 1.0)
    asked = before.asked | frozenset(index.manifest.analyser.terms(typed))
    return replace(before, terms=terms, asked=asked, text=finished(index, before.text + typed))
