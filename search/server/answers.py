"""This module makes the answers of the API from a searcher: JSON-ready values, the same as the command line prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from indexer import InTopic
from search.hits import Mode
from search.query import And, Constraint, Or, Phrase
from search.searcher import Searcher, read
from search.spelling import respell
from search.why import explain
from search.wording import may_go_on, word

_BEYOND_HITS = ("grade", "reason", "bridge", "linked")


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as a client asks for it.  ``topics`` and ``tags``: a note must be in one of each that are named; a topic
    "" is that of notes without one."""

    query: str
    k: int
    mode: Mode
    topics: Sequence[str]
    tags: Sequence[str]
    explain: bool
    typing: bool


def found(searcher: Searcher, asked: Asked) -> dict[str, Any]:
    """Hits with their grade and what the query was taken for."""
    topics = Or(tuple(InTopic(name) for name in asked.topics))
    tags = Or(tuple(Phrase(tag, "tag") for tag in asked.tags))
    named: tuple[Constraint, ...] = tuple(one for one in (topics, tags) if one.parts)
    within = And(named) if named else None
    hits = searcher.search(asked.query, asked.k, asked.mode, asked.typing, within)
    return {**hits.as_dict(asked.explain), "generation": searcher.index.manifest.generation}


def related(searcher: Searcher, note_id: str, k: int, explained: bool) -> dict[str, Any]:
    """A note's list, each of it with why it is there."""
    row = searcher.row_of(note_id)
    hits, neighbours = searcher.related(note_id, k), searcher.neighbours(note_id, k)
    listed = []
    for hit, neighbour in zip(hits, neighbours, strict=True):
        more = neighbour.as_dict()
        listed.append({**hit.as_dict(explained), **{name: more[name] for name in _BEYOND_HITS}})
    return {
        "note": searcher.index.note(row).id,
        "related": listed,
        "generation": searcher.index.manifest.generation,
    }


def note(searcher: Searcher, note_id: str) -> dict[str, Any]:
    """A note in full."""
    return searcher.get(note_id).as_dict()


def notes(searcher: Searcher, offset: int, limit: int) -> dict[str, Any]:
    """A page of all notes, in their order."""
    index = searcher.index
    return {
        "notes": [note.as_dict() for note in index.notes_between(offset, offset + limit)],
        "offset": offset,
        "total": len(index),
        "generation": index.manifest.generation,
    }


def topics(facts: dict[str, Any]) -> dict[str, Any]:
    """Topics with how many notes each has, in the order of their first note."""
    counts = [{"topic": topic, "notes": count} for topic, count in facts["topics"].items()]
    return {"topics": counts, "total": facts["notes"], "generation": facts["generation"]}


def why(searcher: Searcher, query: str, note_id: str) -> dict[str, Any]:
    """Why a note stands where it stands."""
    return explain(searcher, query, note_id).as_dict()


def suggested(searcher: Searcher, query: str, k: int) -> dict[str, Any]:
    """What the last word may become, and the query as it was meant where something of it is misspelt."""
    parsed = read(query)
    meant = word(searcher.index, parsed, may_go_on(query, parsed)).meant
    return {
        "completions": searcher.complete(query, k),
        "suggestion": respell(query, searcher.index.manifest.analyser, meant) if meant else None,
        "generation": searcher.index.manifest.generation,
    }
