"""This module says how alike the notes of an index are, with notes that are alike to everything held down."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from indexer import NEAREST, Home, Hubness, Note, Rows, Scores, mean_of_nearest, one_blas_thread
from search.candidates import candidates
from search.legs import Ranking, ranked, union

# What a note's nearness to everything takes from its nearness to this one.  In high dimensions some notes are near to
# all others (hubs, Schnitzer et al. 2012); cross-domain similarity local scaling (CSLS, Conneau et al. 2018) takes
# off the whole.  Half of it keeps the judged lists about as good as none (nDCG@10 0.620 and 0.615), and the note that
# stands in most top fives in 12 of 203 instead of 18.
_HUB_SHARE = 0.5
# Neighbours that say how near a note is to everything, and in a small collection which part of the notes.  With 10, as
# in CSLS, 0.608 and 11; with 5 to 90 between 0.608 and 0.621 and from 11 to 13.
_PART = 4
_EACH = 5_000  # notes up to which each is known to homes that keep it; finding out takes some milliseconds a note
_BLOCK = 32  # notes whose candidates are found before progress is told
_SAMPLE = 256  # notes that say how near a note is to everything on average
# A link between two notes counts as much as a topic that they share.  No judged collection has links.
_LINK = 0.5
# Nearly the same text: so near in meaning, and so large a share of the weight of their words in both directions.
_SAME_MEANING, _SAME_WORDS = 0.9, 0.75


def hubness_of(index: Home, progress: Callable[[str, int, int], None]) -> Hubness:
    """How near notes are to whatever is near them, for homes that keep what takes a folder a moment to find out: of
    each note, or in a large collection the line that leads to it from the cosines with its nearest notes."""
    likeness = Likeness(index)
    if len(index) <= _EACH:
        likeness.prepare(lambda done: progress("hubs", done, len(index)))
        return Hubness(*likeness.hubness(index.rows()))
    rows = index.sample(_SAMPLE)
    hubs, usual = likeness.hubness(rows)
    legs = [index.by_meaning(index.vector(row)) for row in rows.tolist()]
    near = index.best_of(legs, NEAREST + 1)
    cosines = np.array([mean_of_nearest(row, *found) for row, found in zip(rows.tolist(), near, strict=True)])
    slope, start = np.polyfit(cosines, hubs, 1)
    return Hubness(None, usual, float(start), float(slope))


class Likeness:
    """Likeness of notes in one index; remembers the notes and their candidates, which several others ask for."""

    def __init__(self, index: Home) -> None:
        self.index = index
        self._candidates: dict[int, Ranking] = {}
        self._notes: dict[int, Note] = {}
        self._hubs: dict[int, float] = {}
        self._usual: float | None = None
        self._hub: Callable[[int], float] | None = None

    def ranking(self, row: int, more: Sequence[int] = ()) -> Ranking:
        """A note's candidates, the notes that it links to, and ``more`` rows, by their likeness to it.

        R(i, j) + 0.5 [linked] - (h(j) - mean h) / 2, where R is ``Home.affinity`` and h(j) the mean of the greatest
        R(j, .), of 50 or of a quarter of the notes: standard deviations above a random pair, less what j is to every
        note.
        """
        index = self.index
        linked = [there for target in self.note(row).links if (there := index.row_of(target)) is not None]
        rows = union(self.candidates(row).rows, np.array([*more, *linked], dtype=np.int64))
        rows = rows[rows != row]
        index.read_ahead(rows)
        links = np.array([self.linked(row, other) for other in rows.tolist()], dtype=np.float32)
        hubs, usual = self.index.hubness(rows) or self.hubness(rows)
        hubs = hubs - np.float32(usual)
        scores = index.affinity(row, rows, by_token=True)
        return ranked(index, rows, scores + np.float32(_LINK) * links - np.float32(_HUB_SHARE) * hubs)

    def prepare(self, progress: Callable[[int], None]) -> None:
        """Find the candidates of every note, on every core, and tell how many are done; what is found for one does
        not depend on the others."""
        rows = self.index.rows().tolist()
        blocks = [rows[begin : begin + _BLOCK] for begin in range(0, len(rows), _BLOCK)]
        with ThreadPoolExecutor(os.cpu_count()) as workers, one_blas_thread():
            done = 0
            found = workers.map(lambda block: candidates(self.index, block), blocks)
            for block, rankings in zip(blocks, found, strict=True):
                self._candidates.update(zip(block, rankings, strict=True))
                done += len(block)
                progress(done)

    def found(self, rows: Sequence[int]) -> list[tuple[Ranking, float]]:
        """What ``take`` takes over of some notes: their candidates, and how near each is to whatever is near it."""
        new = [row for row in rows if row not in self._candidates]
        self._candidates.update(zip(new, candidates(self.index, new), strict=True))
        return [(self.candidates(row), self._hubness(row)) for row in rows]

    def take(self, candidates: Mapping[int, Ranking], hub: Callable[[int], float]) -> None:
        """Take over what others found in the same index: the candidates of some notes, and what ``hub`` says of any."""
        self._candidates.update(candidates)
        self._hub = hub

    def note(self, row: int) -> Note:
        """See ``Home.note``."""
        if row not in self._notes:
            self._notes[row] = self.index.note(row)
        return self._notes[row]

    def candidates(self, row: int) -> Ranking:
        """See ``search.candidates``."""
        if row not in self._candidates:
            self._candidates[row] = candidates(self.index, [row])[0]
        return self._candidates[row]

    def linked(self, row: int, other: int) -> bool:
        """Whether one of two notes links to the other."""
        here, there = self.note(row), self.note(other)
        return there.id in here.links or here.id in there.links

    def copies(self, row: int, rows: Rows, cosines: Scores) -> npt.NDArray[np.bool_]:
        """Which of ``rows``, whose cosines with the note in ``row`` are given, hold nearly the same text, itself
        included."""
        found: npt.NDArray[np.bool_] = rows == row
        near = np.flatnonzero(~found & (cosines >= _SAME_MEANING))
        if len(near):
            found[near] = self.index.shared_words(row, rows[near]) >= _SAME_WORDS
        return found

    def hubness(self, rows: Rows) -> tuple[Scores, float]:
        """How near each of ``rows`` is to whatever is near it: float32 [len(rows)], and how near notes are on average;
        found out from their candidates."""
        return np.array([self._hubness(row) for row in rows.tolist()], dtype=np.float32), self._mean()

    def _hubness(self, row: int) -> float:
        """How near a note is to whatever is near it; 0 for a note alone."""
        if self._hub is not None:
            return self._hub(row)
        if row not in self._hubs:
            scores = self.candidates(row).scores[: min(NEAREST, -(-len(self.index) // _PART))]
            self._hubs[row] = float(scores.mean(dtype=np.float64)) if len(scores) else 0.0
        return self._hubs[row]

    def _mean(self) -> float:
        if self._usual is None:
            sample = self.index.sample(_SAMPLE)
            self._usual = float(np.mean([self._hubness(row) for row in sample.tolist()]))
        return self._usual
