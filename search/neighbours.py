"""This module makes the lists of related notes: of one note, and of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import Index, Scores
from search.hits import Grade
from search.legs import Ranking
from search.likeness import Likeness
from search.relation import Relations
from search.selection import MARGIN, choose, marked

# Scores are standard deviations above a random pair of notes.  Of the random pairs of the judged notes 13 in 100 reach
# the floor, 4 in 100 are fair and 1 in 100 is strong.  Of the judged pairs just above the floor every third is related
# at all; of the fair ones more than half are; of the strong ones nine in ten, and two thirds clearly so.
FLOOR, FAIR, STRONG = 1.0, 1.75, 2.5
# Below this many notes the random pairs are too few to say what is far from them, and no list is cut.
_LEAST_NOTES = 30
# A neighbour that is alike to one before it, by more than 3 standard deviations of cosine, loses a fifth of the rest:
# lists become as varied as by a plain maximal marginal relevance of 0.05, at half its cost (nDCG@10 -0.002).
_ALIKE, _CROWDING = 3.0, 0.2


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A note as it stands in another's list."""

    id: str
    title: str
    score: float  # likeness, in standard deviations above a random pair of notes; see ``search.likeness``
    grade: Grade
    reason: str  # one short sentence in plain text
    bridge: bool  # marked as a bridge: of another topic than the note
    linked: bool  # one of the two notes links to the other already

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values, in the order of the fields."""
        return {**asdict(self), "score": round(self.score, 4)}


Lists = Mapping[str, Sequence[Neighbour]]  # note id -> its neighbours, best first; in the order of the notes
Progress = Callable[[int, int], None]  # done so far, of how many


def all_related(
    index: Index, k: int = 10, previous: Lists | None = None, progress: Progress = lambda done, total: None
) -> dict[str, tuple[Neighbour, ...]]:
    """The up to ``k`` neighbours of every note, best first, in the order of the notes.

    ``previous`` lists stay as they are but where a neighbour is ahead by a margin; see ``search.selection``.
    """
    explorer = Explorer(index)
    lists = {}
    for row in range(len(index)):
        note_id = index.note(row).id
        lists[note_id] = explorer.neighbours(row, k, None if previous is None else previous.get(note_id))
        progress(row + 1, len(index))
    return lists


class Explorer:
    """Makes lists from one index, and remembers what several of them need."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._likeness = Likeness(index)
        self._relations = Relations(index)

    def neighbours(self, row: int, k: int, old: Sequence[Neighbour] | None = None) -> tuple[Neighbour, ...]:
        """The up to ``k`` neighbours of the note in ``row``; ``old`` is its list as it was before."""
        ranking, flags = self.listed(row, k, old)
        return tuple(
            self._neighbour(row, other, score, flag)
            for other, score, flag in zip(ranking.rows.tolist(), ranking.scores.tolist(), flags, strict=True)
        )

    def listed(self, row: int, k: int, old: Sequence[Neighbour] | None = None) -> tuple[Ranking, list[bool]]:
        """The rows of a note's list, in its order, with their scores; and which are shown as bridges."""
        index, likeness = self.index, self._likeness
        known = {found: other for other in old or () if (found := index.row_of(other.id)) is not None and found != row}
        ranking = likeness.ranking(row, list(known))
        unit, meaning = index.vectors[ranking.rows], index.manifest.spreads.meaning

        def crowding(place: int) -> Scores:
            alike = meaning.standardise(np.einsum("ij,j->i", unit, unit[place]))
            taken: Scores = np.float32(_CROWDING) * np.maximum(alike - np.float32(_ALIKE), np.float32(0))
            taken[likeness.copies(int(ranking.rows[place]), ranking.rows)] = np.inf
            return taken

        at = ranking.rank_of()
        bridges = self._bridges(row, ranking, None if old is None else known)
        floor = FLOOR if len(index) >= _LEAST_NOTES else -np.inf
        places = None if old is None else [at[other] - 1 for other in known]
        chosen = choose(ranking.scores, crowding, bridges, floor, k, places)
        return Ranking(ranking.rows[chosen], ranking.scores[chosen]), marked(bridges, chosen)

    def _neighbour(self, row: int, other: int, score: float, bridge: bool) -> Neighbour:
        note = self.index.note(other)
        copy = bool(self._likeness.copies(row, np.array([other]))[0])
        reason = "Nearly the same text." if copy else self._relations.reason(row, other)
        grade: Grade = "strong" if score >= STRONG else "fair" if score >= FAIR else "weak"
        return Neighbour(note.id, note.title, score, grade, reason, bridge, self._likeness.linked(row, other))

    def _bridges(self, row: int, ranking: Ranking, old: Mapping[int, Neighbour] | None) -> npt.NDArray[np.bool_]:
        """Which candidates are bridges: fair ones of another topic; what was one, or was not, stays so within a
        margin of fair."""
        topics = self.index.topics
        theirs = topics[ranking.rows]
        foreign = (theirs != topics[row]) & (theirs != 0) & (topics[row] != 0)
        least = np.full(len(theirs), FAIR)
        if old is not None:
            were = [other in old and old[other].bridge for other in ranking.rows.tolist()]
            least += np.where(were, -MARGIN, MARGIN)
        found: npt.NDArray[np.bool_] = foreign & (ranking.scores >= least)
        return found
