"""This module brings a shelf from one generation to the next where few notes changed, unseen until it is published.

New rows begin with the next generation, which names the rows of changed and removed notes as gone.  Readers of the
generation before ask for rows that have begun and not ended, and go on to see what they saw.  Where too many would be
named, they are written again with their end.  That is not the rule because some builds of Milvus replace a row by
removing it first (2.5.1 of milvus-lite), so that readers lack it for some milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from indexer.cluster.book import Published
from indexer.cluster.engine import Engine
from indexer.cluster.entities import digests_of, entities, word_averages
from indexer.cluster.fill import send
from indexer.cluster.record import Record, made_by, measures_after
from indexer.cluster.shelf import FOREVER, rows_in, shelf_fields
from indexer.impacts import Scores
from indexer.store import Index
from indexer.vectors import Rows

Progress = Callable[[str, int, int], None]

# Beyond these all notes are sent to a new shelf, because lengths are compared with the averages of its first load, and
# hubs are those of when each note came: so many rows that came or went since then, or one in so many of the first.
_FEW, _PART = 50, 100
_SMALL = 4  # few are many for a shelf that is smaller still: one row in so many
_DRIFT = 0.02  # by how much an average may differ; no score moves by more
_BATCH = 100  # rows that are sent or read back at once
_NAMED = 2_000  # rows that are named as gone: 16 KB in each filter, which takes an embedded build 30 ms


def change(
    engine: Engine,
    index: Index,
    last: Published,
    record: Record,
    free: tuple[int, int],
    hubs: Scores | None,
    progress: Progress,
    check: Callable[[], None],
) -> tuple[Record, Rows] | None:
    """Add what is new in ``index`` to the shelf of the generation ``last``, of which ``record`` tells, and mark what is
    gone: the record of the next generation, and the rows of ``index`` that were sent.

    ``free`` are a number that no generation had, and the first that no row had, be it of a generation that was rolled
    back; ``check`` raises where another builder writes.

    None where too much changed, or not the notes alone; then nothing was sent.
    """
    if record.made_by != made_by(index, hubs is not None) or _drifted(record, index):
        return None
    notes = list(index.notes())
    digests = digests_of(index)
    before = {note_id: row for row, note_id in enumerate(record.ids)}
    kept = np.array([before.get(note.id, -1) for note in notes], dtype=np.int64)
    same = kept >= 0
    same[same] = (digests[same] == record.digests[kept[same]]).all(axis=1)
    kept = in_order(np.where(same, kept, -1))
    fresh = np.flatnonzero(kept < 0).astype(np.int64)
    gone = np.setdiff1d(np.arange(len(record.ids)), kept[kept >= 0])
    moved = record.moved + max(len(fresh), len(gone))
    places = places_between(np.where(kept >= 0, record.places[kept], np.nan)) if len(record.ids) else None
    if places is None or moved > max(min(_FEW, record.first // _SMALL), record.first // _PART):
        return None

    number, first = free[0], max(free[1], record.next_row)
    check()
    _forget_unpublished(engine, record, last, index)
    numbers = np.where(kept >= 0, record.numbers[kept], 0)
    numbers[fresh] = np.arange(first, first + len(fresh))
    measures, next_dim, next_run_dim = measures_after(record, index, [note.topic for note in notes if note.topic])
    for begin in range(0, len(fresh), _BATCH):
        progress("sending notes", begin, len(fresh))
        rows = fresh[begin : begin + _BATCH]
        check()
        made = entities(index, measures, rows, numbers[rows].tolist(), places[rows].tolist(), number, hubs)
        send(engine, record.shelf, record.store, made)
    named = [*_still_there(engine, record), *record.numbers[gone].tolist()]
    if len(named) > _NAMED:
        check()
        _end(engine, record.shelf, index, named, number)
        named = []
    progress("sending notes", len(fresh), len(fresh))
    changed = replace(
        record,
        number=number,
        ids=[note.id for note in notes],
        numbers=numbers,
        places=places,
        digests=digests,
        measures=measures,
        next_row=first + len(fresh),
        next_dim=next_dim,
        next_run_dim=next_run_dim,
        gone=np.array(named, dtype=np.int64),
        moved=moved,
    )
    return changed, fresh


def _drifted(record: Record, index: Index) -> bool:
    """Whether notes are longer or shorter by now than those by which the rows of a shelf were made."""
    before, now = record.measures.averages, word_averages(index)
    return any(abs(now[field] - before[field]) > _DRIFT * before[field] for field in now)


def in_order(kept: Rows) -> Rows:
    """``kept`` with -1 for as few as possible, so that the others ascend: the longest increasing subsequence (Fredman
    1975).  A note that was moved is a new one."""
    tails: list[int] = []  # the least end of an ascending run of each length
    at: list[int] = []  # where it stands
    previous: dict[int, int] = {}
    for place, row in enumerate(kept.tolist()):
        if row < 0:
            continue
        length = bisect_left(tails, row)
        if length:
            previous[place] = at[length - 1]
        tails[length : length + 1] = [row]
        at[length : length + 1] = [place]
    chosen = np.full(len(kept), -1, dtype=np.int64)
    end = at[-1] if at else None
    while end is not None:
        chosen[end] = kept[end]
        end = previous.get(end)
    return chosen


def places_between(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """``places``, ascending, with numbers in between for those that are not a number; None where there is no room.

    Before the first and behind the last they are a step of 1 apart.
    """
    known = np.flatnonzero(~np.isnan(places))
    if not len(known):
        return np.arange(len(places), dtype=np.float64)
    rows = np.arange(len(places))
    found = np.interp(rows, known, places[known])
    found[: known[0]] = places[known[0]] - (known[0] - rows[: known[0]])
    found[known[-1] + 1 :] = places[known[-1]] + (rows[known[-1] + 1 :] - known[-1])
    return found if (np.diff(found) > 0).all() else None


def _forget_unpublished(engine: Engine, record: Record, last: Published, index: Index) -> None:
    """Undo what a build that was stopped did to the shelf after its generation ``last``."""
    engine.delete(record.store, f"row >= {record.next_row}")
    engine.delete(record.shelf, f"since > {last.number}")
    ended = engine.fetch(record.shelf, f"until > {last.number} and until < {FOREVER}", ["row"])
    _end(engine, record.shelf, index, sorted(int(row["row"]) for row in ended), FOREVER)


def _still_there(engine: Engine, record: Record) -> list[int]:
    """The rows that were gone and are on the shelf, because a generation before needed them."""
    if not len(record.gone):
        return []
    return sorted(int(row["row"]) for row in engine.fetch(record.shelf, rows_in(record.gone.tolist()), ["row"]))


def _end(engine: Engine, shelf: str, index: Index, numbers: Sequence[int], until: int) -> None:
    """Have rows end with the generation ``until``; all else of them stays."""
    fields = [field.name for field in shelf_fields(index.manifest.encoder.dim, index.grams is not None)]
    for begin in range(0, len(numbers), _BATCH):
        found = engine.fetch(shelf, rows_in(numbers[begin : begin + _BATCH]), fields)
        engine.upsert(shelf, [{**{name: row[name] for name in fields}, "until": until} for row in found])
