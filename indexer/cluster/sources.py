"""This module says how the notes on disk differ from those that an engine holds: what the builder's folder knows."""

from __future__ import annotations

from indexer.cluster.remote import RemoteIndex
from indexer.errors import SourceError
from indexer.freshness import Freshness, NoteChanges
from indexer.home import Home
from indexer.manifest import published_generation
from indexer.store import open_index


class Elsewhere:
    """The answer on a machine that did not build the index."""

    def __init__(self, where: str) -> None:
        self._where = where

    def changes(self) -> NoteChanges:
        """Raises SourceError."""
        raise SourceError(self._where, None, "its notes were read on another machine, or by another user.")


def changes_of(index: Home) -> Freshness | Elsewhere:
    """Says how the notes that an index was built from differ now, where this machine built it."""
    if isinstance(index, RemoteIndex):
        workshop = index.engine.address.workshop
        if published_generation(workshop) == index.published.generation:
            return Freshness(open_index(workshop))
    return Elsewhere(index.where())
