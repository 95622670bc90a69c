"""This module says whether what an engine holds of a generation is whole, and removes what no generation needs."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.cluster.book import Published, forget_tables, lacks_tables, withdraw
from indexer.cluster.engine import Engine
from indexer.cluster.shelf import kinds_of, rows_in
from indexer.errors import ClusterError

_KEPT = 2  # generations: the newest, and the one before it for those who are reading it
_BATCH = 1000  # rows that are removed at once


def is_whole(engine: Engine, generation: Published) -> bool:
    """Whether an engine has the collections, as many notes and the tables that a generation is made of."""
    try:
        n_notes = engine.count(generation.shelf, generation.living)
        kinds = kinds_of("late/mean.npy" in generation.tables)
        stored = min(engine.count(generation.store, f"kind == '{kind}' and part == 0") for kind in kinds)
    except ClusterError as error:
        if error.reason == "missing":
            return False
        raise
    whole = n_notes == generation.n_notes <= stored
    return whole and not lacks_tables(engine, engine.address.name, generation)


def sweep(engine: Engine, generations: Sequence[Published]) -> None:
    """Keep the last two of the published ``generations``; of all others remove what these do not need: their rows in
    the book, tables, collections, and rows of a shelf that are gone or ended."""
    name = engine.address.name
    kept = list(generations[-_KEPT:])
    withdraw(engine, name, [generation.number for generation in generations[:-_KEPT]])
    forget_tables(engine, name, kept)
    drop_unnamed(engine, kept)
    shelf, store = kept[-1].shelf, kept[-1].store
    readers = [generation for generation in kept if generation.shelf == shelf]
    _remove(engine, shelf, store, sorted(set.intersection(*(set(generation.gone) for generation in readers))))
    oldest = min(generation.number for generation in readers)
    for rows in engine.walk(shelf, f"until <= {oldest}", ["row"], _BATCH):
        _remove(engine, shelf, store, [int(row["row"]) for row in rows])


def _remove(engine: Engine, shelf: str, store: str, numbers: Sequence[int]) -> None:
    for begin in range(0, len(numbers), _BATCH):
        filter = rows_in(numbers[begin : begin + _BATCH])
        engine.delete(store, filter)
        engine.delete(shelf, filter)


def drop_unnamed(engine: Engine, kept: Sequence[Published], sparing: Sequence[str] = ()) -> None:
    """Remove the shelves and stores of this index that none of ``kept`` names, but those of ``sparing``."""
    named = {name for generation in kept for name in (generation.shelf, generation.store)} | set(sparing)
    for name in engine.collections():
        if engine.address.owns(name) and name not in named:
            engine.drop(name)
