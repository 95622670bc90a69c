"""This module reads a query: free words that rank, and constraints that decide what may appear at all.

    free words, questions     rank by both legs; punctuation is safe, nothing is ever ANDed
    "exact phrase"            must appear, word after word, in one field
    -word  -"phrase"  -(…)    must not appear
    a OR b                    one of the two must appear; OR binds its two neighbours and is written in capitals
    ( … )                     groups; within OR, a group's words must all appear
    prefix*  fuzzy~  fuzzy~2  a word that begins so; a word within one or two edits
    title:  description:      the word or "phrase" after it must appear in that field
    topic:  tag:              the same, as a filter that does not rank

Whatever is not one of these forms is text: an unbalanced quote, a lone minus, brackets around an aside.  Only a field
without a value, or with a quote that never closes, is an error; and what is endless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from indexer import InTopic, QueryError

Field = Literal["title", "description", "topic", "tag"]


@dataclass(frozen=True, slots=True)
class Phrase:
    """The words of ``text`` in a row, in ``field`` or, where it is None, in any one field of text."""

    text: str
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class Prefix:
    """A word that begins with ``text``."""

    text: str
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """A word at most ``edits`` insertions, deletions, replacements or swaps away from ``text``."""

    text: str
    edits: int
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """What ``part`` does not match."""

    part: Constraint


@dataclass(frozen=True, slots=True)
class And:
    """What every part matches."""

    parts: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """What at least one part matches."""

    parts: tuple[Constraint, ...]


Constraint = Phrase | Prefix | Fuzzy | InTopic | Not | And | Or


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it was understood.

    ``text`` is what ranks, for the encoder: everything but filters and exclusions, in the order it was written.
    ``words`` is the part of it that the lexical leg analyses; ``expansions`` are the prefixes and fuzzy words, which
    it replaces by the terms that they match.  ``constraint`` is None where every note may appear.
    """

    text: str
    words: str
    expansions: tuple[Prefix | Fuzzy, ...]
    constraint: Constraint | None


_FIELD = re.compile(r"(title|description|topic|tag):", re.IGNORECASE)
_PREFIX = re.compile(r"([^\W_]{2,})\*")  # two letters at least: "A*" is an algorithm, not a prefix
_FUZZY = re.compile(r"([^\W_]{3,60})~([12]?)")  # no word is longer, and the search for one near it takes seconds
_QUOTES = {'"': '"', "“": "”", "„": "“"}
_MOST_PATTERNS = 100  # prefixes and fuzzy words: each is held against every word of the notes, for 10 ms and more
LONGEST = 40_000  # characters, a paper; an encoder reads 2,000 of them
# Deeper brackets than any person writes are text; the bound keeps the recursion shallow.
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class _Item:
    """One element of a sequence: what it demands by itself, and what it demands within OR or after a minus."""

    bound: Constraint | None
    forced: Constraint | None
    pieces: tuple[str | Prefix | Fuzzy, ...]  # what of it ranks
    is_or: bool = False


def parse(query: str) -> Query:
    """Read a query.  Never fails on free text; the empty query ranks nothing and allows everything.

    Raises QueryError, with the column, for a field without a value, and for what is longer than is read.
    """
    if len(query) > LONGEST:
        raise QueryError(query, LONGEST + 1, f"it has {len(query):,} characters, and {LONGEST:,} are read.")
    sequence = _Parser(query.rstrip()).sequence()
    pieces = [piece for item in sequence for piece in item.pieces]
    constraint = _all(item.bound for item in sequence)
    if (patterns := _patterns(constraint)) > _MOST_PATTERNS:
        raise QueryError(query, 1, f"it has {patterns:,} prefixes and fuzzy words, and {_MOST_PATTERNS} are read.")
    return Query(
        text=" ".join(piece if isinstance(piece, str) else piece.text for piece in pieces),
        words=" ".join(piece for piece in pieces if isinstance(piece, str)),
        expansions=tuple(piece for piece in pieces if not isinstance(piece, str)),
        constraint=constraint,
    )


def _all(parts: Iterable[Constraint | None]) -> Constraint | None:
    present = tuple(part for part in parts if part is not None)
    return None if not present else present[0] if len(present) == 1 else And(present)


def _patterns(constraint: Constraint | None) -> int:
    if isinstance(constraint, And | Or):
        return sum(map(_patterns, constraint.parts))
    return _patterns(constraint.part) if isinstance(constraint, Not) else isinstance(constraint, Prefix | Fuzzy)


class _Parser:
    """A cursor over one query."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._closers = _matching_brackets(text)

    def sequence(self, end: int | None = None) -> list[_Item]:
        """The items up to ``end``, with every OR and its neighbours made one item."""
        end = len(self._text) if end is None else end
        items: list[_Item] = []
        while self._at < end:
            if self._text[self._at].isspace():
                self._at += 1
            else:
                items.append(self._item(end))
        return _join_alternatives(items)

    def _item(self, end: int) -> _Item:
        start = self._at
        if self._text[start] == "-" and self._may_exclude(start, end):
            self._at += 1
            return _excluded(self._operand(end))
        return self._operand(end)

    def _may_exclude(self, at: int, end: int) -> bool:
        """A minus excludes where it begins a word: after a space or bracket, before something other than itself."""
        before = self._text[at - 1] if at else " "
        after = self._text[at + 1] if at + 1 < end else " "
        return (before.isspace() or before == "(") and not after.isspace() and after not in "-–—>"

    def _operand(self, end: int) -> _Item:
        character = self._text[self._at]
        if character in _QUOTES:
            phrase = self._quoted(end)
            if phrase is not None:
                return _binding(Phrase(phrase), (phrase,))
        if character == "(" and self._at in self._closers:
            closer = self._closers[self._at]
            self._at += 1
            inside = self.sequence(closer)
            self._at = closer + 1
            return _group(inside)
        field = _FIELD.match(self._text, self._at, end)
        if field:
            item = self._field_value(field, end)
            if item is not None:
                return item
        return _word(self._word(end))

    def _quoted(self, end: int) -> str | None:
        """The text up to the closing quote, the cursor past it; None, and nothing moved, where it never closes."""
        closing = self._text.find(_QUOTES[self._text[self._at]], self._at + 1, end)
        if closing < 0:
            return None
        inside = " ".join(self._text[self._at + 1 : closing].split())
        self._at = closing + 1
        return inside

    def _field_value(self, match: re.Match[str], end: int) -> _Item | None:
        name: Field = match.group(1).lower()  # type: ignore[assignment]  # the pattern's alternatives are the Literal's
        start, value = match.start(), match.end()
        if value < end and self._text[value].isspace():
            return None  # "a good title: short or long" is prose
        column = start + 1
        if value >= end:
            raise QueryError(self._text, column, f'{name}: wants a word or a "phrase" after it.')
        self._at = value
        ranks = name in ("title", "description")
        if self._text[value] in _QUOTES:
            phrase = self._quoted(end)
            if phrase is None:
                raise QueryError(self._text, column, f"the quote after {name}: is never closed.")
            return _binding(Phrase(phrase, name), (phrase,) if ranks else ())
        word = _word(self._word(end), name)
        return _binding(word.forced, word.pieces if ranks else ())

    def _word(self, end: int) -> str:
        """The characters up to the next space, or the bracket that closes the group; the cursor behind them."""
        start = self._at
        self._at += 1
        while self._at < end and not self._text[self._at].isspace():
            self._at += 1
        return self._text[start : self._at]


def _matching_brackets(text: str) -> dict[int, int]:
    """Position of each opening bracket that begins a word -> position of the one that closes it.

    Empty where brackets nest deeper than ``_MAX_DEPTH``.
    """
    closers: dict[int, int] = {}
    stack: list[int] = []
    for position, character in enumerate(text):
        if character == "(":
            stack.append(position)
            if len(stack) > _MAX_DEPTH:
                return {}
        elif character == ")" and stack:
            opener = stack.pop()
            if opener == 0 or text[opener - 1].isspace() or text[opener - 1] in "(-":
                closers[opener] = position
    return closers


def _word(text: str, field: Field | None = None) -> _Item:
    """A free word, or one that carries an operator at its end."""
    prefix = _PREFIX.fullmatch(text)
    if prefix:
        wanted = Prefix(prefix.group(1), field)
        return _binding(wanted, (wanted,))
    fuzzy = _FUZZY.fullmatch(text)
    if fuzzy:
        close = Fuzzy(fuzzy.group(1), int(fuzzy.group(2) or 1), field)
        return _binding(close, (close,))
    return _Item(bound=None, forced=Phrase(text, field), pieces=(text,), is_or=text == "OR" and field is None)


def _binding(constraint: Constraint | None, pieces: tuple[str | Prefix | Fuzzy, ...]) -> _Item:
    return _Item(bound=constraint, forced=constraint, pieces=pieces)


def _excluded(item: _Item) -> _Item:
    return _binding(Not(item.forced) if item.forced is not None else None, ())


def _group(items: list[_Item]) -> _Item:
    """A bracketed group: by itself it binds where something in it does, and is otherwise an aside of free words."""
    return _Item(
        bound=_all(item.bound for item in items),
        forced=_all(item.forced for item in items),
        pieces=tuple(piece for item in items for piece in item.pieces),
    )


def _join_alternatives(items: list[_Item]) -> list[_Item]:
    """``a OR b OR c`` becomes one binding item; an OR without a neighbour on both sides is a word."""
    joined: list[_Item] = []
    position = 0
    while position < len(items):
        alternatives = [items[position]]
        while (
            position + 2 < len(items)
            and items[position + 1].is_or
            and not items[position].is_or
            and not items[position + 2].is_or
        ):
            alternatives.append(items[position + 2])
            position += 2
        joined.append(alternatives[0] if len(alternatives) == 1 else _either(alternatives))
        position += 1
    return joined


def _either(items: list[_Item]) -> _Item:
    demands = tuple(item.forced for item in items if item.forced is not None)
    return _binding(Or(demands) if demands else None, tuple(piece for item in items for piece in item.pieces))
