"""This module says what a note may have to hold: demands on terms, fields and topics, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indexer.analysis import fold


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
class InTopic:
    """A topic of this name; "" for none.  Case and diacritics count only where topics differ in nothing else."""

    name: str

    def numbers(self, topics: Mapping[int, str]) -> list[int]:
        """Those of the topics that are called so, of ``topics`` with their names."""
        exactly = [number for number, topic in topics.items() if topic == self.name]
        return exactly or [number for number, topic in topics.items() if fold(topic) == fold(self.name)]


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
Demand = Leaf | InTopic | AnyOf | AllOf | Without
