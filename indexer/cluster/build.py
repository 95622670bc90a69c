"""This module builds an index on an engine: in a folder of this machine first, then the engine is given the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from indexer.build import BuildReport, build_index
from indexer.cluster.address import Address
from indexer.cluster.book import Published, Table, announce, given, open_book, published, readable, send_table, withdraw
from indexer.cluster.change import change
from indexer.cluster.engine import Engine
from indexer.cluster.entities import averages_of, entities
from indexer.cluster.fill import Made, fill, settle, verify
from indexer.cluster.lease import Lease
from indexer.cluster.record import Record, first_record, read_record, write_record
from indexer.cluster.shelf import collections_of, kinds_of, shelf_fields
from indexer.cluster.sweep import drop_unnamed, is_whole, sweep
from indexer.cluster.tabulate import tables_of
from indexer.errors import ClusterError, IndexLockedError, IndexWriteError
from indexer.files import make_folder, replace_text
from indexer.home import Hubness
from indexer.impacts import Scores
from indexer.protocols import Encoder
from indexer.store import Index, open_index
from indexer.vectors import Rows

Progress = Callable[[str, int, int], None]
Hubs = Callable[[Index, Progress], Hubness]  # see ``search.likeness``


def build_on(
    paths: Sequence[Path],
    address: Address,
    *,
    encoder: str | Encoder | None = None,
    language: str | None = None,
    device: str | None = None,
    tokens: bool | None = None,
    rebuild: bool = False,
    tune: bool | None = None,
    progress: Progress | None = None,
    hubs: Hubs | None = None,
) -> BuildReport:
    """Index the notes in ``paths`` and publish a new generation at ``address``; the options are ``build_index``'s.

    No ``paths`` means those of the index that this machine built there before, or ``data``.  Where few notes changed,
    only they are sent; ``rebuild`` sends all.  Nothing is published where the engine holds the same already.  A build
    that was stopped is gone on with by the next.

    Raises what ``build_index`` raises, ClusterError, and IndexLockedError where another builder is at work.
    """
    tell = progress or (lambda *_: None)
    workshop = address.workshop
    try:
        make_folder(workshop)
        with FileLock(workshop.parent / ".lock", timeout=0):
            engine = Engine(address)
            try:
                open_book(engine, address.name)
                with Lease(engine, address.name, _owner(workshop.parent)) as lease:
                    report = build_index(
                        paths,
                        workshop,
                        encoder=encoder,
                        language=language,
                        device=device,
                        tokens=tokens,
                        rebuild=rebuild,
                        tune=tune,
                        progress=tell,
                    )
                    sent = _bring(engine, open_index(workshop), rebuild, tell, hubs, lease.check)
                    return replace(report, published=sent)
            finally:
                engine.close()
    except Timeout:
        raise IndexLockedError(str(address)) from None
    except OSError as error:
        raise IndexWriteError(str(address), error) from error


def _owner(folder: Path) -> str:
    """The name of this machine's builder of one index."""
    path = folder / "owner"
    if not path.is_file():
        replace_text(path, uuid.uuid4().hex)
    return path.read_text("utf-8")


def _bring(
    engine: Engine, index: Index, rebuild: bool, progress: Progress, hubs: Hubs | None, check: Callable[[], None]
) -> bool:
    """Have the engine hold the notes of ``index``; whether that had to be published.

    ``check`` raises where another builder took the lease: it is asked before each thing that would spoil what that one
    did, because finding hubs, sending and flushing take long, and a machine may sleep.
    """
    name, folder, own = engine.address.name, index.folder.parent, index.manifest.generation
    kept, unread = readable(engine, name) if rebuild else (published(engine, name), [])
    last = kept[-1] if kept else None
    whole = last is not None and is_whole(engine, last)
    if last is not None and whole and not rebuild and last.generation == own:
        check()
        sweep(engine, kept)  # the build that published it may have been stopped before it did
        return False
    before = given(engine, name)
    number = 1 + max([before.number, *(one.number for one in kept), *unread])
    found = hubs(index, progress) if hubs is not None else Hubness(None, 0.0)
    near = found.of
    done = None
    if last is not None and whole and not rebuild:
        record = read_record(folder, last)
        if record is not None:
            first = before.next_row if before.shelf == record.shelf else 0
            done = change(engine, index, last, record, (number, first), near, progress, check)
    if done is None:
        names = collections_of(name, own, number)
        check()
        drop_unnamed(engine, kept, names)
        done = _load(engine, index, names, number, near, progress, check)
    after, sent = done
    generation = Published(
        number=number,
        generation=own,
        shelf=after.shelf,
        store=after.store,
        n_notes=len(index),
        tables={},
        facts={
            **after.facts(),
            "hubs": near is not None,
            "usual hub": found.usual,
            "hub line": [found.start, found.slope],
        },
        published=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        gone=tuple(after.gone.tolist()),
    )

    def again(places: Sequence[int]) -> Made:
        return _made(index, after, sent[np.array(places)], number, near)

    settle(engine, after.shelf, after.store)
    try:
        verify(engine, generation, kinds_of(index.late is not None), after.numbers[sent].tolist(), again)
    except ClusterError as error:
        if error.reason == "damaged":  # it was killed, and lost what it had taken: the next build sends it again
            check()
            drop_unnamed(engine, kept)
        raise
    generation = replace(generation, tables=_send_tables(engine, index, after, progress))
    write_record(folder, after, last.number if last is not None else 0)
    check()
    announce(engine, name, generation, after.next_row)
    withdraw(engine, name, unread)
    engine.flush(name)
    with suppress(ClusterError):  # a convenience, whose name may be another's
        engine.alias(f"{name}_current", generation.shelf)
    check()
    sweep(engine, [*kept, generation])
    return True


def _load(
    engine: Engine,
    index: Index,
    names: tuple[str, str],
    number: int,
    hubs: Scores | None,
    progress: Progress,
    check: Callable[[], None],
) -> tuple[Record, Rows]:
    """Send all notes to a new shelf and store."""
    record = first_record(index, names, number, averages_of(index), hubs is not None)

    def make(begin: int, end: int) -> Made:
        check()
        return _made(index, record, np.arange(begin, end), number, hubs)

    fields = shelf_fields(index.manifest.encoder.dim, index.grams is not None)
    kinds = kinds_of(index.late is not None)
    fill(engine, (record.shelf, fields), record.store, kinds, len(index), make, progress)
    return record, np.arange(len(index))


def _made(index: Index, record: Record, rows: Rows, number: int, hubs: Scores | None) -> Made:
    """The rows of shelf and store for notes that the generation ``number`` is the first to hold."""
    numbers, places = record.numbers[rows].tolist(), record.places[rows].tolist()
    return entities(index, record.measures, rows, numbers, places, number, hubs)


def _send_tables(engine: Engine, index: Index, record: Record, progress: Progress) -> dict[str, Table]:
    contents = tables_of(index, record.measures, record.numbers.tolist())
    tables = {}
    for done, name in enumerate(sorted(contents)):
        progress("sending tables", done, len(contents))
        tables[name] = send_table(engine, engine.address.name, contents[name])
    progress("sending tables", len(contents), len(contents))
    return tables
