"""This module builds small indexes on an engine, in processes that may be killed at any moment."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from toys import WORDS, ToyEncoder, record, write_jsonl

from indexer import build_at, open_index, place_of
from indexer.cluster.address import Address
from indexer.cluster.book import published
from indexer.cluster.engine import Engine
from indexer.errors import KindredError
from search import Searcher
from search.likeness import hubness_of

# More than 50 changed notes make a build fill a new shelf; one changes the shelf that is there.
N_NOTES = 60
QUERIES = ("reward policy", "memory OR proof", '"critic search"', "hack*", "tag:odd model")
_ASKED = 4  # notes that are asked for their related ones


@cache
def _forks() -> Any:
    """Makes processes that have imported all of this already; not on Windows."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["victims"])
    return forks


def collection(word: str, changed: Sequence[int] = range(N_NOTES)) -> list[dict[str, Any]]:
    """Notes of which those ``changed`` say ``word`` as well."""
    return [
        record(
            f"n{number}",
            f"{WORDS[number % 8]} {WORDS[number // 8 % 8]}",
            f"The {WORDS[(3 * number + 1) % 8]} search, {WORDS[(5 * number + 2) % 8]} critic search. "
            + (f"It says {word}." if number in changed else ""),
            f"Topic {number % 5}",
            ["odd"] if number % 2 else [],
        )
        for number in range(N_NOTES)
    ]


def build(notes: Path, place: str) -> None:
    """Build, and exit with 3 and a sentence where that fails."""
    try:
        build_at([notes], place_of(place), hubness_of, encoder=ToyEncoder())
    except KindredError as error:
        print(error, file=sys.stderr)
        sys.exit(3)


class Desk:
    """Notes in one of two states, and the index of them at ``place``, which ``folder`` tells the truth about."""

    def __init__(self, folder: Path, place: str, states: dict[str, list[dict[str, Any]]]) -> None:
        self.place, self.notes = place, folder / "notes.jsonl"
        self.states = states
        self._truth: dict[str, list[Any]] = {}
        for name, notes in states.items():
            (folder / name).mkdir()
            write_jsonl(folder / name / "notes.jsonl", notes)
            build_at([folder / name / "notes.jsonl"], folder / name / "index", hubness_of, encoder=ToyEncoder())
            self._truth[name] = answers(Searcher(open_index(folder / name / "index"), ToyEncoder()))

    def write(self, state: str) -> None:
        """Have the notes be in ``state``."""
        write_jsonl(self.notes, self.states[state])

    def start(self) -> Any:
        """A process that builds, with all that it needs imported."""
        process = _forks().Process(target=build, args=(self.notes, self.place))
        process.start()
        return process

    def build(self) -> float:
        """Build in a process that nobody kills; the seconds that it took."""
        begun = time.perf_counter()
        process = self.start()
        process.join()
        assert process.exitcode == 0
        return time.perf_counter() - begun

    def state(self) -> str:
        """Which of the states the index answers from, wholly.  Raises AssertionError where it is none of them."""
        found = answers(Searcher.open(place_of(self.place), ToyEncoder()))
        for name, wanted in self._truth.items():
            if found == wanted:
                return name
        raise AssertionError(found)

    def leftovers(self) -> list[str]:
        """Whatever the engine holds for this index that neither of its last two generations needs."""
        address = place_of(self.place)
        assert isinstance(address, Address)
        engine, book = Engine(address), address.name
        kept = published(engine, book)
        named = {name for one in kept for name in (one.shelf, one.store)} | {book}
        ours = [name for name in engine.collections() if name == book or name.startswith(f"{book}_")]
        found = [name for name in ours if name not in named and name != f"{book}_current"]
        found += [f"{len(kept)} generations"] if len(kept) > 2 else []
        found += [row["key"] for row in engine.fetch(book, "key like 'l:%'", ["key"])]
        tables = {table.sha256 for one in kept for table in one.tables.values()}
        keys = [row["key"] for rows in engine.walk(book, "key like 't:%'", ["key"]) for row in rows]
        found += [key for key in keys if key.split(":")[1] not in tables]
        for shelf in sorted({one.shelf for one in kept}):
            own = [one for one in kept if one.shelf == shelf]
            gone = sorted(set.intersection(*(set(one.gone) for one in own)))
            first, last = own[0].number, own[-1].number
            ended = engine.count(shelf, f"until <= {first} or since > {last} or row in {gone or [-1]}")
            found += [f"{ended} rows on {shelf}"] if ended else []
        engine.close()
        return found


def answers(searcher: Searcher) -> list[Any]:
    """All notes, and what a few queries and notes lead to: ids, with scores to three digits."""
    index = searcher.index
    ids = [note.id for note in index.notes()]
    rankings = [searcher.search(query, N_NOTES) for query in QUERIES]
    rankings += [searcher.related(note_id, 5) for note_id in ids[:: len(ids) // _ASKED]]
    return [
        [note.as_dict() for note in index.notes()],
        [[(hit.note.id, round(hit.score, 3)) for hit in ranking] for ranking in rankings],
    ]
