"""This module does one step of ``benchmarks.growth`` in a process of its own and prints what it measured, as JSON.

python -m benchmarks.growth_steps ask TASK INDEX
python -m benchmarks.growth_steps change TASK INDEX
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peers.systems.with_kindred import notes_of
from benchmarks.peers.task import Query, Task
from benchmarks.peers.worker import ROUNDS, peak_memory
from search.hits import MODES, Mode
from search.searcher import Searcher

_OPENED = 7  # times
_RELATED_OF = 20  # notes
_SECONDS = 120.0  # for the queries of a mode


def main() -> None:
    """One step, named by the arguments."""
    step, task, index = sys.argv[1:]
    found = (_ask if step == "ask" else _change)(Task(Path(task)), Path(index))
    print(json.dumps(found | peak_memory()))


def _ask(task: Task, index: Path) -> dict[str, Any]:
    """The median seconds of opening, of queries, and of related notes, on one core."""
    opened = min(_seconds(partial(Searcher.open, index)) for _ in range(_OPENED))
    searcher = Searcher.open(index).prepare()
    warming, queries = task.queries()
    costs = {"open": opened}
    for mode in MODES:
        for query in warming:
            searcher.search(query.text, mode=mode)
        costs[mode] = _median(queries, partial(_search, searcher, mode))
    ids = [note.id for note in searcher.index.notes()]
    chosen = ids[:: max(1, len(ids) // _RELATED_OF)][:_RELATED_OF]
    searcher.related(chosen[0])
    costs["related"] = statistics.median(_seconds(partial(searcher.related, note)) for note in chosen)
    return {"costs": costs}


def _change(task: Task, index: Path) -> dict[str, Any]:
    """The seconds until one changed note is published, the less of two: the change, and its withdrawal."""
    from indexer import build_index  # here, because to search it is not needed

    notes = notes_of(index)
    changed, content = task.one_changed()
    notes.write_bytes(content)
    build_index([notes], index)  # where an earlier run was stopped between the two
    seconds = []
    for written in (changed, content):
        notes.write_bytes(written)
        seconds.append(_seconds(partial(build_index, [notes], index)))
    return {"change": min(seconds)}


def _median(queries: Sequence[Query], ask: Callable[[Query], object]) -> float:
    """The median over queries of the least time of each."""
    least: dict[str, float] = {}
    until = time.perf_counter() + _SECONDS
    for _ in range(ROUNDS):
        for query in queries:
            if time.perf_counter() > until and query.id in least:
                break
            spent = _seconds(partial(ask, query))
            least[query.id] = min(spent, least.get(query.id, spent))
    return statistics.median(least.values())


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _search(searcher: Searcher, mode: Mode, query: Query) -> None:
    searcher.search(query.text, mode=mode)


if __name__ == "__main__":
    main()
