"""This module turns text into terms: one analyser for indexing, queries, highlights and export.

A term is a word in Unicode's sense, folded (NFKC, case, diacritics) and stemmed by Snowball.  Scripts that write
without spaces (Chinese, Japanese) give one term a character.  Stop words are terms as well, so that exact phrases
stay exact; the ranking leaves them out (``Analyser.is_stop``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from threading import local
from typing import Protocol

import Stemmer

# One ideograph or kana: Han (with extensions), Hiragana, Katakana.
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# What may continue a word without being \w in Python: combining marks (Latin, Cyrillic, Hebrew, Arabic and the
# Indic to Myanmar blocks, which spell vowels with marks), the soft hyphen and the zero-width joiners.
_MARK = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u06d6-\u06ed\u0900-\u109f"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\u00ad\u200c\u200d"
)
_LETTER = rf"(?:[^\W_{UNSPACED}]|[{_MARK}])"
# An apostrophe joins letters (don't, l'eau) and a point or comma joins digits (3.5, 1,000); nothing else does.
_WORD = re.compile(
    rf"[{UNSPACED}]|[0-9]+(?:[.,][0-9]+)+[^\W_{UNSPACED}]*|[^\W_{UNSPACED}]{_LETTER}*(?:['\u2019][^\W_{UNSPACED}]{_LETTER}*)*"
)
MARKS = ".,;:!?()[]\n/"  # what no phrase crosses, outside of a word
_WORD_OR_MARK = re.compile(rf"{_WORD.pattern}|[{re.escape(MARKS)}]")
_IGNORABLE = dict.fromkeys(map(ord, "\u00ad\u200c\u200d"))
# Letters that Unicode does not decompose but readers type without their stroke.
_STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ŧ": "t", "’": "'"}
)


def fold(text: str) -> str:
    """NFKC, case folding, and Latin, Greek and Cyrillic letters without their diacritics: "Crème" -> "creme".

    Marks of other scripts stay, because there they spell vowels.  The length may change.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text.translate(_IGNORABLE)).casefold()
    # U+0300 to U+036F are the marks that the three alphabets decompose into; NFC rebuilds the rest (Hangul, Indic).
    bare = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFD", folded))
    return unicodedata.normalize("NFC", bare).translate(_STROKES)


def tag_term(tag: str) -> str:
    """The term under which a tag is indexed: folded, with hyphens for white space."""
    return "-".join(fold(tag).removeprefix("#").split())


@dataclass(frozen=True, slots=True)
class Token:
    """One occurrence of a term; ``text[start:end]`` is the word as it was written, ``position`` counts words."""

    term: str
    position: int
    start: int
    end: int


@dataclass(frozen=True)
class Analyser:
    """Text -> terms, for one language of Snowball's (``Analyser.languages()``), or "none" for no stemming.

    ``stop_words`` are given unstemmed; a term is a stop word when one of them leads to it.
    """

    language: str = "english"
    stop_words: tuple[str, ...] = ()
    _stop_terms: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.language not in self.languages():
            raise ValueError(f"no stemmer for {self.language!r}; one of {', '.join(self.languages())}")
        object.__setattr__(self, "_stop_terms", frozenset(self.term(word) for word in self.stop_words))

    @staticmethod
    def languages() -> tuple[str, ...]:
        """Every name that ``language`` accepts, sorted, "none" first."""
        return ("none", *sorted(Stemmer.algorithms()))

    def tokens(self, text: str) -> Iterator[Token]:
        """Every word of ``text`` in order, stop words included."""
        for position, match in enumerate(_WORD.finditer(text)):
            yield Token(self.term(match.group()), position, match.start(), match.end())

    @staticmethod
    def pieces(text: str) -> list[str]:
        """Every word of ``text`` as it is written, in order, and between them every one of ``MARKS``."""
        return _WORD_OR_MARK.findall(text)

    @staticmethod
    def spans(text: str) -> list[tuple[int, int]]:
        """Where each word of ``text`` begins and ends."""
        return [match.span() for match in _WORD.finditer(text)]

    def terms(self, text: str) -> list[str]:
        """The terms of ``text`` in order, stop words left out."""
        return [token.term for token in self.tokens(text) if not self.is_stop(token.term)]

    def term(self, word: str) -> str:
        """The term of a single word."""
        if word.isascii() and word.isdigit():  # endlessly many, and each its own stem: none is worth remembering
            return word
        return _stem(self.language, word)

    @property
    def stop_terms(self) -> list[str]:
        """The terms that stem from stop words, sorted."""
        return sorted(self._stop_terms)

    def is_stop(self, term: str) -> bool:
        """Whether a term stems from a stop word."""
        return term in self._stop_terms


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802 - PyStemmer's name


class _Stemmers(local):
    """The stemmers of one thread: PyStemmer forbids that two threads share one."""

    def __init__(self) -> None:
        self._known: dict[str, _Stemmer] = {}

    def of(self, language: str) -> _Stemmer:
        """The stemmer of a language."""
        if language not in self._known:
            # PyStemmer's own cache is off: _stem below keeps one that covers folding as well.
            self._known[language] = Stemmer.Stemmer(language, 0)
        return self._known[language]


_stemmers = _Stemmers()


# "LLMs", "PRMs": Snowball takes an s off only behind a vowel, and would keep the plural of an acronym apart.
_ACRONYMS = re.compile("[A-Z][A-Z0-9]+s")
_NO_VOWEL = re.compile("[b-df-hj-np-tv-xz]{2,}[b-df-hj-np-rtv-xz]s")


@lru_cache(maxsize=1 << 14)  # the words of questions; about 4 MB when full.  A build asks once for each
def _stem(language: str, word: str) -> str:
    folded = fold(word)
    if language == "english" and (_ACRONYMS.fullmatch(word) or _NO_VOWEL.fullmatch(folded)):
        return folded[:-1]
    return folded if language == "none" else _stemmers.of(language).stemWord(folded)
