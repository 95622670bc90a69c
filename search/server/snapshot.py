"""This module holds the snapshot that requests are answered from, and follows the index to its newest generation."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from indexer import (
    ClusterError,
    Encoder,
    EncoderError,
    Home,
    IndexCorruptError,
    IndexStateError,
    changes_on_disk,
    open_home,
    prepare,
)
from search.searcher import Searcher
from search.server.arenas import give_back
from search.server.query_vectors import remembering
from search.status import describe

if TYPE_CHECKING:
    from indexer import Changes, Place

LOG = logging.getLogger("kindred.serve")
Found = TypeVar("Found")

_SETTLED = 10  # looks after a new generation, by when hardly anybody is answered from the one before
_OLD = ("missing", "damaged", "replaced")  # what an engine says of a generation whose place another may have taken
_INTERVAL = 0.2  # seconds between two looks at the manifest, 10 microseconds each
_AGAIN = 30.0  # seconds after which an encoder that could not be loaded is tried again: that may take seconds itself


class Snapshot:
    """One generation, open, with what is found out about it once."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self.generation = searcher.index.manifest.generation
        self.edition = searcher.index.edition

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What `kindred info` says."""
        return describe(self.searcher.index)

    @cached_property
    def changes(self) -> Changes:
        """Says how the notes on disk differ, and remembers the files that it read."""
        return changes_on_disk(self.searcher.index)


class Snapshots:
    """The newest snapshot of an index.

    A new generation is opened beside the old one and takes its place at once; who still holds the old one finishes
    with it, and the last one to let go of it closes it.  Where the newest cannot be opened the old one stays, and
    ``problem`` says why; ``lack`` says why there is no encoder, without which words alone are searched.  Raises
    IndexStateError where there is no index at first.
    """

    def __init__(self, place: Place, encoder: Encoder | None = None) -> None:
        self.problem: str | None = None
        self.lack: str | None = None
        self._lacked = 0.0  # since when, by the monotonic clock
        self._given = encoder is not None
        self._encoder = None if encoder is None else remembering(encoder)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None
        self.current = self._snapshot(open_home(place))

    def ask(self, question: Callable[[Snapshot], Found], snapshot: Snapshot) -> tuple[Found, Snapshot]:
        """The answer to a question, and the snapshot that it is from: all of it from one.

        That is ``snapshot``, or the newest one where that proves damaged, or is kept no longer.
        """
        while True:
            try:
                return question(snapshot), snapshot
            except (IndexCorruptError, ClusterError) as error:
                if isinstance(error, ClusterError) and error.reason not in _OLD:
                    raise
                self.look()
                if self.current is snapshot:
                    raise
                snapshot = self.current

    def look(self) -> bool:
        """Look once whether a new generation was published, and open it; whether it took the old one's place."""
        with self._lock:
            try:
                if self.current.searcher.index.is_current():
                    self.problem = None
                    if self.lack is not None and time.monotonic() - self._lacked >= _AGAIN:
                        self.current = self._snapshot(self.current.searcher.index)
                    return False
                index = self.current.searcher.index.newest()  # an engine is asked on by the same connection
            except (IndexStateError, OSError) as error:
                if self.problem != str(error):  # once, not at every look
                    LOG.warning("%s", error)
                self.problem = str(error)
                return False
            self.problem = None
            # Though it may be called the same: an engine that had lost some of it was given it again.
            self.current = self._snapshot(index)
            LOG.info("answering from generation %s", self.current.generation)
            return True

    def follow(self) -> None:
        """Look again and again, in a thread of its own, until ``close``."""
        if self.lack is not None:
            LOG.warning("only words can be searched: %s", self.lack)
        self._watcher = threading.Thread(target=self._watch, name="generations", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()

    def _watch(self) -> None:
        looks = 0  # until what the generation before held is given back to the system
        while not self._stop.wait(_INTERVAL):
            if self.look():
                looks = _SETTLED
            elif looks:
                looks -= 1
                if not looks:
                    give_back()

    def _snapshot(self, index: Home) -> Snapshot:
        """A snapshot that is ready for queries; it takes over the encoder where that is the same."""
        known = index.manifest.encoder
        if self._encoder is None or not (self._given or self._encoder.info.fingerprint == known.fingerprint):
            try:
                encoder = Searcher(index).encoder
                prepare(encoder)
                ready = remembering(encoder)
                ready.encode_query("notes")  # the first one reads the weights from the disk
                self._encoder = ready
            except EncoderError as error:
                self.lack, self._lacked = str(error), time.monotonic()
                return Snapshot(Searcher(index))  # where every search by meaning looks for it again
        self.lack = None
        return Snapshot(Searcher(index, self._encoder))
