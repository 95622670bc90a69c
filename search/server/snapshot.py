"""This module holds the snapshot that requests are answered from, and follows the index to its newest generation."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from indexer import Encoder, EncoderError, Index, IndexCorruptError, IndexStateError, open_index
from search.searcher import Searcher
from search.server.remembering import remembering
from search.status import describe

Found = TypeVar("Found")

_INTERVAL = 0.2  # seconds between two looks at the manifest, 10 microseconds each
# Answers that a snapshot remembers, the last ones given, and the bytes of the longest: 16 MB at most.
_REMEMBERED, _LONGEST = 1024, 16_384


class Snapshot:
    """One generation, with what is remembered of it for as long as it is current."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self.generation = searcher.index.manifest.generation
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What `kindred info` says."""
        return describe(self.searcher.index)

    def remembered(self, address: str) -> bytes | None:
        """The answer that was given to an address before, or None.  Called, as ``remember`` is, by one thread alone."""
        body = self._bodies.get(address)
        if body is not None:
            self._bodies.move_to_end(address)
        return body

    def remember(self, address: str, body: bytes) -> None:
        """Keep an answer for those who ask the same, unless it is long."""
        if len(body) <= _LONGEST:
            self._bodies[address] = body
            if len(self._bodies) > _REMEMBERED:
                self._bodies.popitem(last=False)


class Snapshots:
    """The newest snapshot of the index in a folder.

    A new generation is opened beside the old one and takes its place at once; who still holds the old one finishes
    with it, and the last one to let go of it closes it.  Where the newest cannot be opened the old one stays, and
    ``problem`` says why.  Raises IndexStateError where there is none at first.
    """

    def __init__(self, folder: Path, encoder: Encoder | None = None) -> None:
        self.folder = folder
        self.problem: str | None = None
        self._given = encoder is not None
        self._encoder = encoder
        self._stamp = self._manifest_stamp()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None
        self.current = self._snapshot(open_index(folder))

    def ask(self, question: Callable[[Snapshot], Found], snapshot: Snapshot) -> tuple[Found, Snapshot]:
        """The answer to a question, and the snapshot that it is from: all of it from one.

        That is ``snapshot``, or the newest one where files of that were dropped meanwhile.
        """
        while True:
            try:
                return question(snapshot), snapshot
            except IndexCorruptError:
                self.look()
                if self.current is snapshot:
                    raise
                snapshot = self.current

    def look(self) -> None:
        """Look once whether a new generation was published, and open it."""
        with self._lock:
            stamp = self._manifest_stamp()  # before opening: what is published meanwhile is seen at the next look
            if stamp == self._stamp:
                return
            try:
                index = open_index(self.folder)
            except (IndexStateError, OSError) as error:
                self.problem = str(error)
                return
            self.problem, self._stamp = None, stamp
            if index.manifest.generation != self.current.generation:
                self.current = self._snapshot(index)

    def follow(self) -> None:
        """Look again and again, in a thread of its own, until ``close``."""
        self._watcher = threading.Thread(target=self._watch, name="generations", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL):
            self.look()

    def _snapshot(self, index: Index) -> Snapshot:
        """A snapshot that is ready for queries; it takes over the encoder where that is the same."""
        known = index.manifest.encoder
        if self._encoder is None or not (self._given or self._encoder.info.fingerprint == known.fingerprint):
            try:
                self._encoder = remembering(Searcher(index).encoder)
            except EncoderError as error:
                self.problem = str(error)
                return Snapshot(Searcher(index))  # words alone can be searched, and the rest says what is missing
        return Snapshot(Searcher(index, self._encoder))

    def _manifest_stamp(self) -> tuple[int, int, int] | None:
        try:
            found = (self.folder / "manifest.json").stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
