"""This module says how the notes on disk differ from those in the index, without reading them at every request."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Any

from search.server.snapshot import Snapshot
from search.status import freshness

# An answer holds for five seconds, or twenty times what it took: reading notes takes one second in twenty at most.
_HOLDS, _SHARE = 5.0, 20


class Freshness:
    """Remembers for some seconds what it found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = ""
        self._until = 0.0
        self._found: dict[str, Any] = {}

    def of(self, snapshot: Snapshot) -> dict[str, Any]:
        """JSON-ready: whether the index is fresh (None where the notes cannot be read), the ids of notes that were
        added, changed and removed since, each in alphabetical order, and when that was found out."""
        with self._lock:
            started = time.monotonic()
            if self._generation != snapshot.generation or started >= self._until:
                found = freshness(snapshot.changes)
                self._found = {**found, "checked": datetime.now(timezone.utc).isoformat(timespec="seconds")}
                took = time.monotonic() - started
                self._generation, self._until = snapshot.generation, started + took + max(_HOLDS, _SHARE * took)
            return self._found
