"""This module fills a shelf and a store: in order, making rows while others are sent, going on where it was stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from indexer.cluster.book import Published
from indexer.cluster.engine import Engine, Field, Row
from indexer.cluster.shelf import STORE_FIELDS, payloads_of, rows_in
from indexer.errors import ClusterError
from indexer.pairs import evenly_spread

BATCH = 500  # notes whose rows are made at once
_BYTES = 8 << 20  # of one message: an engine takes 64 MB, and what is lost is sent again
_WAITING = 2  # batches that are made and not yet sent
_READ_BACK = 100  # rows that are compared with what was sent

Progress = Callable[[str, int, int], None]
Made = tuple[Sequence[Row], Sequence[Row]]  # rows of the shelf, and of the store
Make = Callable[[int, int], Made]  # of the notes from one row on and before another


def fill(
    engine: Engine,
    shelf: tuple[str, Sequence[Field]],
    store: str,
    kinds: Sequence[str],
    n_notes: int,
    make: Make,
    progress: Progress,
) -> None:
    """Put notes 0 to ``n_notes`` - 1 on a shelf, each under its own number, and what belongs to them, of all ``kinds``,
    into a store.

    Where the two hold the first notes already, they are left as they are: they were filled with the same before.
    ``make`` is called in this thread, in order, while what it made before is sent.
    """
    name, fields = shelf
    for collection, its_fields in ((store, STORE_FIELDS), (name, fields)):
        if not engine.has(collection):
            engine.create(collection, its_fields)
    begin = _held_already(engine, name, store, kinds)
    progress("sending notes", begin, n_notes)
    with ThreadPoolExecutor(1) as sender:
        waiting: deque[Future[None]] = deque()
        try:
            while begin < n_notes:
                end = min(begin + BATCH, n_notes)
                waiting.append(sender.submit(send, engine, name, store, make(begin, end)))
                begin = end
                if len(waiting) > _WAITING:
                    waiting.popleft().result()
                    progress("sending notes", begin - BATCH * len(waiting), n_notes)
            while waiting:
                waiting.popleft().result()
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
    progress("sending notes", n_notes, n_notes)


def _held_already(engine: Engine, shelf: str, store: str, kinds: Sequence[str]) -> int:
    """How many notes a shelf and a store that were filled in order hold without a gap: whole batches, or none where the
    engine lost some."""
    whole = engine.count(shelf, "row >= 0") // BATCH * BATCH
    held = engine.count(shelf, f"row < {whole}")
    stored = [engine.count(store, f"kind == '{kind}' and part == 0 and row < {whole}") for kind in kinds]
    return whole if {held, *stored} == {whole} else 0


def send(engine: Engine, shelf: str, store: str, made: Made) -> None:
    """Write rows, those of the store first: what the shelf holds can be read."""
    for name, rows in ((store, made[1]), (shelf, made[0])):
        for message in messages(rows):
            engine.upsert(name, message)


def messages(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows in order, cut into messages of about 8 MB at most."""
    message: list[Row] = []
    size = 0
    for row in rows:
        weight = _weight(row)
        if message and size + weight > _BYTES:
            yield message
            message, size = [], 0
        message.append(row)
        size += weight
    if message:
        yield message


def _weight(row: Mapping[str, Any]) -> int:
    """About how many bytes a row takes in a message."""
    sizes = {"held": 9, "vector": 4, "words": 8, "runs": 8, "text": 1, "name": 1}
    return 100 + sum(size * len(row[name]) for name, size in sizes.items() if name in row)


def settle(engine: Engine, *collections: str) -> None:
    """Have what was sent kept on the engine's disks, and ready to answer."""
    for name in collections:
        engine.flush(name)
        engine.load(name)


def verify(
    engine: Engine,
    generation: Published,
    kinds: Sequence[str],
    numbers: Sequence[int],
    make: Callable[[Sequence[int]], Made],
) -> None:
    """Compare what an engine holds of a generation that is about to be published with what was meant.

    All notes are counted, and so are the ``kinds`` that the store keeps of each.  ``numbers`` are the primary keys of
    those that were sent: 100 of them, for which ``make`` makes the rows again (given places among ``numbers``), are
    read back.  Raises ClusterError (reason "damaged") where they differ.
    """
    held = engine.count(generation.shelf, generation.living)
    if held != generation.n_notes:
        raise _differs(engine, f"{held} notes were kept of {generation.n_notes}")
    places = evenly_spread(len(numbers), _READ_BACK).tolist()
    if not places:
        return
    shelf, store = make(places)
    wanted = rows_in([numbers[place] for place in places])
    found = {int(row["row"]): row for row in engine.fetch(generation.shelf, wanted, list(shelf[0]))}
    for row in shelf:
        if row["row"] not in found or not _same(row, found[row["row"]]):
            raise _differs(engine, f"the note {row['name']!r} was not kept as it was sent")
    fields = ["row", "kind", "part", "parts", "text"]
    sent = payloads_of(store)
    kept: dict[tuple[int, str], bytes] = {}
    try:
        for begin in range(0, len(places), 20):  # token vectors are long
            some = rows_in([numbers[place] for place in places[begin : begin + 20]])
            kept.update(payloads_of(engine.fetch(generation.store, some, fields)))
    except ValueError as error:
        raise _differs(engine, str(error)) from error
    if sent != kept:
        raise _differs(engine, "what belongs to a note was not kept as it was sent")
    for kind in kinds:
        held = engine.count(generation.store, f"kind == '{kind}' and part == 0")
        if held < generation.n_notes:
            raise _differs(engine, f"{held} of {generation.n_notes} notes have their {kind!r} in the store")


def _same(sent: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    for name, value in sent.items():
        other = found[name]
        if name == "vector" or name == "hub":
            alike = np.array_equal(np.asarray(value, dtype=np.float32), np.asarray(other, dtype=np.float32))
        elif name in ("words", "runs"):
            alike = _weights(value) == _weights(other)
        else:
            alike = value == (list(other) if name == "held" else other)
        if not alike:
            return False
    return True


def _weights(vector: Mapping[Any, float]) -> dict[int, float]:
    return {int(dim): float(np.float32(weight)) for dim, weight in vector.items()}


def _differs(engine: Engine, problem: str) -> ClusterError:
    remedy = f"nothing was published; type: kindred index --index {engine.address}"
    return ClusterError(engine.address, f"did not keep what it was sent ({problem})", remedy, "damaged")
