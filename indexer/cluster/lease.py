"""This module lets one builder at a time write an index on an engine: rows in its book, a beat each."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
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
        self._over = Event()
        self._thread = Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Lease:
        self._bury_the_dead()
        self._write(self._beats().get(self._owner, []))
        try:
            if self._beats().keys() != {self._owner}:  # two that came at once both step back
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
        return {owner: max(beats) for owner, beats in self._beats().items() if owner != self._owner}

    def _beats(self) -> dict[str, list[int]]:
        """The beats of every owner that stand in the book: one, and for a moment the one before it."""
        found: dict[str, list[int]] = {}
        for row in self._engine.fetch(self._name, "key like 'l:%'", ["key", "number"]):
            found.setdefault(str(row["key"]).split(":")[1], []).append(int(row["number"]))
        return found

    def _write(self, before: Sequence[int]) -> None:
        """Write a beat, and then take those ``before`` away; where another builder did that, take all away.

        Some builds of Milvus replace a row by removing it first: whoever looked in between would find nobody at work.
        """
        number = max(before, default=0) + 1
        self._engine.upsert(
            self._name, [{"key": _key(self._owner, number), "number": number, "text": "", "nothing": NOTHING}]
        )
        buried = bool(before) and not set(before) & set(self._beats().get(self._owner, []))
        self._delete([_key(self._owner, number) for number in ([number] if buried else before)])

    def _remove(self, owners: Sequence[str]) -> None:
        beats = self._beats() if owners else {}
        self._delete([_key(owner, number) for owner in owners for number in beats.get(owner, [])])

    def _delete(self, keys: Sequence[str]) -> None:
        if keys:
            self._engine.delete(self._name, f"key in {json.dumps(keys)}")

    def _go_on(self) -> None:
        while not self._over.wait(self._beat):
            try:
                mine = self._beats().get(self._owner)
                if mine is not None:  # one that another builder buried is not brought back
                    self._write(mine)
            except ClusterError:  # what the builder itself asks will tell
                continue


def _key(owner: str, number: int) -> str:
    return f"l:{owner}:{number:012d}"
