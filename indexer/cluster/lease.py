"""This module lets one builder at a time write an index on an engine: a row in its book whose beat rises."""

from __future__ import annotations

import json
import time
from threading import Event, Thread
from types import TracebackType

from indexer.cluster.book import NOTHING
from indexer.cluster.engine import Engine
from indexer.errors import ClusterError, IndexLockedError

_BEAT = 5.0  # seconds between two beats
_PATIENCE = 12.0  # seconds after which a lease whose beat did not rise belongs to nobody: two beats and a slow answer


class Lease:
    """The right to write the index ``name``, held while the ``with`` block runs.

    ``owner`` names the workshop: whoever builds there holds its lock, so that a lease of the same owner that is found
    is of a builder that was killed, and is taken over at once.  Raises IndexLockedError where another owner builds.
    """

    def __init__(self, engine: Engine, name: str, owner: str, beat: float = _BEAT, patience: float = _PATIENCE) -> None:
        self._engine, self._name, self._owner = engine, name, owner
        self._beat, self._patience = beat, patience
        self._number = 0
        self._over = Event()
        self._thread = Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Lease:
        self._bury_the_dead()
        self._write()
        try:
            if self._others():  # two that came at once both step back
                raise IndexLockedError(str(self._engine.address))
        except BaseException:
            self._remove([self._owner])
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        try:
            self._remove([self._owner])
        except ClusterError:
            if error is None:  # else the engine is away, which is being told already
                raise

    def check(self) -> None:
        """Raise IndexLockedError where another builder took this lease for a dead one: this machine slept."""
        if self._owner not in self._beats():
            raise IndexLockedError(str(self._engine.address))

    def _bury_the_dead(self) -> None:
        before = self._others()
        ends = time.monotonic() + self._patience
        while before and time.monotonic() < ends:
            time.sleep(min(1.0, self._patience / 10))
            now = self._others()
            if any(now.get(owner, beat) != beat for owner, beat in before.items()) or now.keys() - before.keys():
                raise IndexLockedError(str(self._engine.address))
            before = {owner: beat for owner, beat in before.items() if owner in now}
        self._remove(sorted(before))

    def _others(self) -> dict[str, int]:
        return {owner: beat for owner, beat in self._beats().items() if owner != self._owner}

    def _beats(self) -> dict[str, int]:
        rows = self._engine.fetch(self._name, "key like 'l:%'", ["key", "number"])
        return {str(row["key"])[2:]: int(row["number"]) for row in rows}

    def _write(self) -> None:
        self._number += 1
        row = {"key": f"l:{self._owner}", "number": self._number, "text": "", "nothing": NOTHING}
        self._engine.upsert(self._name, [row])

    def _remove(self, owners: list[str]) -> None:
        if owners:
            self._engine.delete(self._name, f"key in {json.dumps([f'l:{owner}' for owner in owners])}")

    def _go_on(self) -> None:
        while not self._over.wait(self._beat):
            try:
                if self._owner in self._beats():  # one that another builder buried is not brought back
                    self._write()
            except ClusterError:  # what the builder itself asks will tell
                continue
