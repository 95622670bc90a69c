"""This module is what a worker of Spark does: find the candidates of one part of the notes, or make its lists.

Everything that it needs comes with the work, from the index or from the parts' files; it may be done again, by anyone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import Home, Index, KindredError, SourceError, SparkError, one_blas_thread, open_home, open_previous
from search.lists import changes, read_line
from search.neighbours import Explorer, Neighbour
from search.spark.parts import Parts, read_lists

Lists = Mapping[str, tuple[Neighbour, ...]]
# Stands before a sentence for people in an error of a worker, which reaches the program inside a traceback.
TOLD = "[kindred] "

_BATCH = 100  # notes that an engine is asked for at once
_open: dict[tuple[str, str], Home] = {}  # a worker's process does several parts


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done for every part: up to ``k`` related notes of each note of one generation."""

    place: str  # where the index is: a folder, or an address
    generation: str
    k: int
    parts: Parts

    def find(self, part: int) -> int:
        """Write the candidates of a part's notes, unless they are whole already.  Returns the part."""
        parts = self.parts
        if not parts.has_found(part):
            explorer = Explorer(opened(self.place, self.generation))
            with one_blas_thread():
                batches = _batches(self._rows(explorer.index, part))
                found = [pair for batch in batches for pair in explorer.found(batch)]
            parts.write_found(part, [candidates for candidates, _ in found], [hub for _, hub in found])
        return part

    def relate(self, part: int, hubs: npt.NDArray[np.float64], before: Lists | None) -> dict[str, Any]:
        """Write a part's lists, unless they are whole already, and tell of them; see ``Parts.told``.

        ``hubs`` are those of all notes, ``before`` the lists that those of the part's notes keep to.
        """
        parts = self.parts
        if not parts.has_lists(part):
            index = opened(self.place, self.generation)
            explorer, place_of = Explorer(index), _places(index)
            rows = self._rows(index, part)
            candidates = dict(zip(rows, parts.read_found(part)[0], strict=True))
            explorer.take(candidates, lambda row: float(hubs[place_of(row)]))
            lists = {}
            for batch in _batches(rows):
                index.ahead(np.unique(np.concatenate([candidates[row].rows for row in batch] + [batch])))
                for row in batch:
                    note = index.note(row).id
                    lists[note] = explorer.neighbours(row, self.k, None if before is None else before.get(note))
            changed = 0 if before is None else sum(bool(changes(before.get(i, ()), lists[i])) for i in lists)
            parts.write_lists(part, lists, changed)
        return parts.told(part)

    def placed(self, lists: Iterable[tuple[str, tuple[Neighbour, ...]]]) -> Iterator[tuple[int, Any]]:
        """Each list of before with the part that its note is in now; without those of notes that are gone."""
        index = opened(self.place, self.generation)
        place_of = _places(index)
        for note, neighbours in lists:
            row = index.row_of(note)
            if row is not None:
                yield place_of(row) // self.parts.cut.size, (note, neighbours)

    def _rows(self, index: Home, part: int) -> list[int]:
        places = self.parts.cut.places(part)
        rows: list[int] = index.rows()[places.start : places.stop].tolist()
        return rows


def _batches(rows: list[int]) -> Iterator[list[int]]:
    return (rows[begin : begin + _BATCH] for begin in range(0, len(rows), _BATCH))


def _places(index: Home) -> Callable[[int], int]:
    """The place of a row among the notes."""
    rows = index.rows()
    order = np.argsort(rows)
    return lambda row: int(order[np.searchsorted(rows, row, sorter=order)])


def opened(place: str, generation: str) -> Home:
    """One generation of an index.  Raises SparkError where it is gone."""
    if (place, generation) not in _open:
        index: Home | None = open_home(place)
        while index is not None and index.manifest.generation != generation:
            index = open_previous(index) if isinstance(index, Index) else None
        if index is None:
            raise SparkError(f"{place} no longer holds {generation}; repeat the command.")
        _open[place, generation] = index
    return _open[place, generation]


def lists_in_lines(path: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[str, tuple[Neighbour, ...]]]:
    """The lists in the lines of the file of related notes at ``path`` that begin in some spans of its bytes.  Raises
    SourceError for a line of anything else."""
    for begin, end in spans:
        for line in _lines(Path(path), begin, end):
            try:
                found = read_line(line.decode("utf-8"))
            except ValueError:
                raise SourceError(path, None, "is no file of related notes; delete it or name another.") from None
            if found is not None:
                yield found


def _lines(path: Path, begin: int, end: int) -> Iterator[bytes]:
    """The lines of a file that begin in a span of its bytes."""
    with path.open("rb") as file:
        if begin:
            file.seek(begin - 1)
            file.readline()  # what is left of a line that began before
        while file.tell() < end and (line := file.readline()):
            yield line


def lists_in_files(paths: Iterable[str]) -> Iterator[tuple[str, tuple[Neighbour, ...]]]:
    """The lists in some files of Parquet."""
    for path in paths:
        yield from read_lists(Path(path))


def telling(results: Iterator[Any]) -> Iterator[Any]:
    """``results``, with a sentence for people in every error that making them raises."""
    try:
        yield from results
    except KindredError as error:
        raise RuntimeError(f"{TOLD}{error}") from error
    except Exception as error:
        raise RuntimeError(f"{TOLD}{type(error).__name__}: {error}") from error


def finding(work: Work, parts: Iterable[int]) -> Iterator[int]:
    """``Work.find`` for some parts."""
    return telling(map(work.find, parts))


def placing(work: Work, lists: Iterable[tuple[str, tuple[Neighbour, ...]]]) -> Iterator[tuple[int, Any]]:
    """See ``Work.placed``."""
    return telling(work.placed(lists))


def relating(work: Work, hubs: Any, steady: bool, part: int, placed: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    """``Work.relate`` for one part: ``hubs.value`` holds the hubs, ``placed`` gives its lists of before where the new
    ones keep ``steady``."""

    def related() -> Iterator[Any]:
        yield work.relate(part, hubs.value, dict(found for _, found in placed) if steady else None)

    return telling(related())
