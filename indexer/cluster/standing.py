"""This module says how a generation that is being read stands in the book: as the newest, as kept, or not at all."""

from __future__ import annotations

import time

from indexer.cluster.book import Published, newest, readable
from indexer.cluster.engine import Engine
from indexer.errors import ClusterError

_LOOK = 1.0  # seconds for which nobody asks the engine again whether a generation is the newest


class Standing:
    """How one generation stands; its ``engine`` lets this explain what it lacks."""

    def __init__(self, engine: Engine, published: Published) -> None:
        self._asked, self._published = engine, published
        self._looked = time.monotonic()
        self.engine = engine.explained(self._explain)

    def is_current(self) -> bool:
        """See ``Home.is_current``; what the engine said holds for a second, or until it lacks something."""
        if time.monotonic() - self._looked < _LOOK:
            return True
        # A number alone may come again: with an index that was removed and built anew.
        if newest(self._asked, self._asked.address.name) != self._published:
            return False
        self._looked = time.monotonic()
        return True

    def ensure_kept(self) -> None:
        """See ``Home.ensure_kept``."""
        if self._published not in readable(self._asked, self._asked.address.name)[0]:
            problem = "holds other notes by now than those that were being read"
            raise ClusterError(self._asked.address, problem, "repeat the command", "replaced")

    def _explain(self, error: ClusterError) -> ClusterError:
        """What lacks because newer generations were published is no damage."""
        self._looked = -_LOOK
        try:
            self.ensure_kept()
        except ClusterError as other:
            return other
        return error
