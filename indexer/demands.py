"""This module says what a note may have to hold: demands on terms and fields, whatever language asked for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """These terms in a row, in one field; a single one may be a tag."""

    field: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begins:
    """A term of a field that begins so."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Near:
    """A term of a field within ``edits`` insertions, deletions, replacements or swaps that begins with the same
    letter."""

    field: str
    term: str
    edits: int


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the parts; of none, nothing satisfies it."""

    parts: tuple[Demand, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part; of none, every note satisfies it."""

    parts: tuple[Demand, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """What ``part`` does not let through."""

    part: Demand


Leaf = Run | Begins | Near
Demand = Leaf | AnyOf | AllOf | Without
