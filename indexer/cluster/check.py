"""This module looks an index on an engine through: its tables by their hashes, and every note in both legs."""

from __future__ import annotations

from hashlib import sha256
from itertools import chain

import numpy as np

from indexer.cluster.address import Address
from indexer.cluster.book import table_bytes
from indexer.cluster.remote import RemoteIndex, open_remote
from indexer.errors import ClusterError, IndexCorruptError
from indexer.home import Home

_AT_ONCE = 500  # rows
_ABOUT_ONE = 1e-3  # how far from 1 the length of a unit vector in float32 may be


def looked_through(address: Address) -> tuple[Home | None, list[str], list[str], list[str]]:
    """The index at an address, what is wrong with it, a sentence each, and the ids of the notes that the words and
    that the meaning lack; None for an index that cannot be opened.

    Raises IndexNotFoundError, and ClusterError where the engine cannot be asked.
    """
    try:
        index = open_remote(address)
        problems = _tables(index)
        found = _notes(index, problems)
        index.ensure_kept()
        return index, problems, *found
    except IndexCorruptError as error:
        return None, [error.problem], [], []
    except ClusterError as error:
        if error.reason not in ("damaged", "missing"):
            raise
        return None, [str(error)], [], []


def _tables(index: RemoteIndex) -> list[str]:
    """What is wrong with the tables, here and in the book."""
    problems = []
    for name, table in index.published.tables.items():
        try:
            table_bytes(index.engine, index.engine.address.name, table.sha256)
        except ClusterError as error:
            if error.reason != "damaged":
                raise
            problems.append(f"the table {name} on the engine is not as it was published")
        path = index.table(name)
        if not path.is_file() or sha256(path.read_bytes()).hexdigest() != table.sha256:
            problems.append(f"the table {name} on this machine is not as it was published; remove {index.table('')}")
    return problems


def _notes(index: RemoteIndex, problems: list[str]) -> tuple[list[str], list[str]]:
    """The ids of the notes that the words, and that the meaning lack; what else is wrong is added to ``problems``."""
    analyser, fields, lexicon = index.manifest.analyser, index.manifest.bm25.fields, index.lexicon
    words: list[str] = []
    meaning: list[str] = []
    seen: set[str] = set()
    number = 0
    for found in index.engine.walk(index.shelf, index.live, ["row", "name", "vector", "words"], _AT_ONCE):
        notes = index.texts([row["row"] for row in found])
        for row, note in zip(found, notes, strict=True):
            number += 1
            if note.id != row["name"]:
                problems.append(f"row {row['row']} is called {row['name']!r}, and its note {note.id!r}")
            if note.id in seen:
                problems.append(f"two notes share the id {note.id!r}")
            seen.add(note.id)
            dims = np.array([dim for dim in row["words"] if dim], dtype=np.uint32)
            held = {lexicon.term(term) if term >= 0 else "" for term in lexicon.numbers_of(dims).tolist()}
            if held != set(chain.from_iterable(analyser.terms(getattr(note, field)) for field in fields)):
                words.append(note.id)
            length = float(np.linalg.norm(np.array(row["vector"], dtype=np.float32)))
            if not abs(length - 1) <= _ABOUT_ONE:  # so that NaN is caught
                meaning.append(note.id)
    if number != len(index):
        problems.append(f"the engine holds {number} notes, and {len(index)} were published")
    return words, meaning
