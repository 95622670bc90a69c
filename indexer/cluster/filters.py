"""This module writes demands as filters of an engine, and says which rows of its answer need a look at their text.

What a note holds lies on its shelf as numbers: of every term in every field, of every two neighbours, and of its tags.
So a single term, a tag, and two words in a row are the engine's to decide.  Prefixes and fuzzy words are expanded here,
against the vocabulary.  Of three words in a row the engine finds the notes that hold all their pairs; where those are
not too many, their texts decide.  A few notes are too long for their numbers to be kept: their texts decide as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from indexer.cluster.shelf import held_number
from indexer.demands import AllOf, AnyOf, Begins, Demand, InTopic, Leaf, Near, Run, Without
from indexer.errors import ClusterError
from indexer.notes import Note

EVERYTHING, NOTHING = "", "row in [-1]"
# Notes whose texts are looked at for one run of words; beyond, all pairs of it in one field are taken for the run.
_LOOKED_AT = 5_000
_LISTED = 100_000  # rows that a filter names where an engine cannot say "not"


class Asking(Protocol):
    """What this module asks of the home whose filters it writes."""

    def matching(self, filter: str, limit: int) -> list[int]:
        """Up to ``limit`` rows that pass a filter, ascending."""
        ...

    def negates(self) -> bool:
        """Whether the engine understands "not (…)"."""
        ...

    def long_rows(self) -> Sequence[int]:
        """The rows whose numbers are not all kept."""
        ...

    def texts(self, rows: Sequence[int]) -> Iterable[Note]:
        """The notes of rows, in their order."""
        ...

    def topics_of_name(self, demand: InTopic) -> Sequence[int]:
        """The numbers of the topics that are called so."""
        ...

    def expanded(self, leaf: Begins | Near) -> Sequence[str]:
        """The terms that a pattern stands for in its field."""
        ...

    def terms_of(self, note: Note, field: str) -> list[str]:
        """The terms of a field of a note, in order; its tags."""
        ...


def filter_of(home: Asking, demand: Demand) -> str:
    """What passes the rows that satisfy ``demand``.  Raises ClusterError where the engine cannot decide it."""
    if isinstance(demand, AllOf):
        return all_of(filter_of(home, part) for part in demand.parts)
    if isinstance(demand, AnyOf):
        return _any_of(filter_of(home, part) for part in demand.parts)
    if isinstance(demand, Without):
        return _without(home, filter_of(home, demand.part))
    if isinstance(demand, InTopic):
        numbers = home.topics_of_name(demand)
        return f"topic in {list(numbers)}" if numbers else NOTHING
    return _leaf(home, demand)


def all_of(filters: Iterable[str]) -> str:
    """What passes the rows that pass every filter."""
    found = [one for one in filters if one != EVERYTHING]
    return NOTHING if NOTHING in found else " and ".join(f"({one})" for one in found)


def _any_of(filters: Iterable[str]) -> str:
    found = [one for one in filters if one != NOTHING]
    if EVERYTHING in found:
        return EVERYTHING
    return " or ".join(f"({one})" for one in found) or NOTHING


def _without(home: Asking, passed: str) -> str:
    if passed in (EVERYTHING, NOTHING):
        return NOTHING if passed == EVERYTHING else EVERYTHING
    if home.negates():
        return f"not ({passed})"
    rows = home.matching(passed, _LISTED + 1)
    if len(rows) > _LISTED:
        raise ClusterError("this engine", f"cannot leave out more than {_LISTED:,} notes", "ask for less", "version")
    return _named("not in", rows)


def _leaf(home: Asking, leaf: Leaf) -> str:
    if isinstance(leaf, (Begins, Near)):
        terms = home.expanded(leaf)
        held = _holds("array_contains_any", (held_number(leaf.field, term) for term in terms))
        known = frozenset(terms)
        return _any_of([held, _long(home, lambda note: not known.isdisjoint(home.terms_of(note, leaf.field)))])
    if len(leaf.terms) == 1:
        held = f"array_contains(held, {held_number(leaf.field, *leaf.terms)})"
    else:
        held = _holds("array_contains_all", (held_number(leaf.field, *pair) for pair in pairwise(leaf.terms)))
    if len(leaf.terms) > 2:
        rows = home.matching(held, _LOOKED_AT + 1)
        if len(rows) <= _LOOKED_AT:
            notes = zip(rows, home.texts(rows), strict=True)
            held = _named("in", [row for row, note in notes if _stands(home, note, leaf)])
    return _any_of([held, _long(home, lambda note: _stands(home, note, leaf))])


def _long(home: Asking, satisfies: Callable[[Note], bool]) -> str:
    """What passes the long notes whose text satisfies."""
    rows = home.long_rows()
    return _named("in", [row for row, note in zip(rows, home.texts(rows), strict=True) if satisfies(note)])


def _stands(home: Asking, note: Note, run: Run) -> bool:
    """Whether the terms of a run stand in a row in the note."""
    terms, size = home.terms_of(note, run.field), len(run.terms)
    return any(tuple(terms[at : at + size]) == run.terms for at in range(len(terms) - size + 1))


def _holds(function: str, numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    return f"{function}(held, {found})" if found else NOTHING


def _named(operator: str, rows: Sequence[int]) -> str:
    if not rows:
        return NOTHING if operator == "in" else EVERYTHING
    return f"row {operator} {list(rows)}"
