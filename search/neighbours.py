"""This module makes the lists of related notes: of one note, and of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import Home, Scores, one_blas_thread
from search.hits import Grade
from search.legs import Ranking
from search.likeness import Likeness
from search.notebook import cell, table, titled
from search.relation import Relations
from search.selection import MARGIN, choose, marked

# Scores are standard deviations above a random pair of notes.  Of the random pairs of the judged notes 13 in 100 reach
# the floor, 4 in 100 are fair and 1 in 100 is strong.  Of the judged pairs just above the floor every third is related
# at all; of the fair ones more than half are; of the strong ones nine in ten, and two thirds clearly so.
FLOOR, FAIR, STRONG = 1.0, 1.75, 2.5
# Below this many notes the random pairs are too few to say what is far from them, and no list is cut.
_LEAST_NOTES = 30
# A neighbour that is nearer in meaning to one before it in the list than to the note itself (as in the relative
# neighbourhood graph, Toussaint 1980) loses 0.3 of the difference in standard deviations, and 0.1 at most: nDCG@10
# -0.002; plain maximal marginal relevance loses 0.006 for as much variety.
_CROWDING, _MOST_CROWDED = 0.3, 0.1


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


class Neighbours(tuple[Neighbour, ...]):
    """The list of a note, best first."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Neighbours: {', '.join([str(len(self)), *(f'first {found.id!r}' for found in self[:1])])}>"

    def _repr_html_(self) -> str:
        """The list as a table, for a notebook."""
        rows = [
            (
                cell(rank),
                titled(found.title, found.id),
                cell(f"{found.score:.2f} ({found.grade})"),
                cell(" · ".join([found.reason, *["another topic"] * found.bridge, *["linked"] * found.linked])),
            )
            for rank, found in enumerate(self, start=1)
        ]
        return table(("", "note", "likeness", "why"), rows, "" if self else "No note is related.")


Lists = Mapping[str, Sequence[Neighbour]]  # note id -> its neighbours, best first; in the order of the notes
Progress = Callable[[int, int], None]  # done so far, of how many


def all_related(
    index: Home, k: int = 10, previous: Lists | None = None, progress: Progress = lambda done, total: None
) -> dict[str, tuple[Neighbour, ...]]:
    """The up to ``k`` neighbours of every note, best first, in the order of the notes.

    ``previous`` lists stay as they are but where a neighbour is ahead by a margin; see ``search.selection``.
    """
    explorer = Explorer(index)
    explorer.prepare(lambda done: progress(done // 2, len(index)))
    lists: dict[str, tuple[Neighbour, ...]] = {}
    for done, row in enumerate(index.rows().tolist(), start=1):
        note_id = index.note(row).id
        lists[note_id] = explorer.neighbours(row, k, None if previous is None else previous.get(note_id))
        progress((len(index) + done) // 2, len(index))
    index.ensure_kept()
    return lists


class Explorer:
    """Makes lists from one index, and remembers what several of them need."""

    def __init__(self, index: Home) -> None:
        self.index = index
        self._likeness = Likeness(index)
        self._relations = Relations(index, self._likeness.note)

    def prepare(self, progress: Callable[[int], None]) -> None:
        """See ``Likeness.prepare``: for those who ask for the lists of all notes."""
        self._likeness.prepare(progress)

    def found(self, rows: Sequence[int]) -> list[tuple[Ranking, float]]:
        """See ``Likeness.found``."""
        return self._likeness.found(rows)

    def take(self, candidates: Mapping[int, Ranking], hub: Callable[[int], float]) -> None:
        """See ``Likeness.take``: for those who make the lists of few notes, and have this of all."""
        self._likeness.take(candidates, hub)

    def neighbours(self, row: int, k: int, old: Sequence[Neighbour] | None = None) -> Neighbours:
        """The up to ``k`` neighbours of the note in ``row``; ``old`` is its list as it was before."""
        ranking, flags = self.listed(row, k, old)
        reasons = self._relations.reasons(row, ranking.rows.tolist())
        nearness = self.index.by_meaning(self.index.vector(row)).of(ranking.rows)
        copies = self._likeness.copies(row, ranking.rows, nearness).tolist()
        found = []
        for place, (other, score) in enumerate(zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True)):
            note = self._likeness.note(other)
            found.append(
                Neighbour(
                    id=note.id,
                    title=note.title,
                    score=score,
                    grade="strong" if score >= STRONG else "fair" if score >= FAIR else "weak",
                    reason="Nearly the same text." if copies[place] else reasons[place],
                    bridge=flags[place],
                    linked=self._likeness.linked(row, other),
                )
            )
        return Neighbours(found)

    def listed(self, row: int, k: int, old: Sequence[Neighbour] | None = None) -> tuple[Ranking, list[bool]]:
        """The rows of a note's list, in its order, with their scores; and which are shown as bridges."""
        index, likeness = self.index, self._likeness
        known = {found: other for other in old or () if (found := index.row_of(other.id)) is not None and found != row}
        with one_blas_thread():
            ranking = likeness.ranking(row, list(known))
        unit = index.vectors_of(ranking.rows)
        own = np.einsum("ij,j->i", unit, index.vector(row))
        slope = np.float32(_CROWDING / index.manifest.spreads.meaning.deviation)

        def crowding(place: int) -> Scores:
            theirs = np.einsum("ij,j->i", unit, unit[place])
            taken: Scores = np.clip(slope * (theirs - own), 0, _MOST_CROWDED)
            taken[likeness.copies(int(ranking.rows[place]), ranking.rows, theirs)] = np.inf
            return taken

        at = ranking.rank_of()
        bridges = self._bridges(row, ranking, None if old is None else known)
        floor = FLOOR if len(index) >= _LEAST_NOTES else -np.inf
        places = None if old is None else [at[other] - 1 for other in known]
        chosen = choose(ranking.scores, crowding, bridges, floor, k, places)
        return Ranking(ranking.rows[chosen], ranking.scores[chosen]), marked(bridges, chosen)

    def _bridges(self, row: int, ranking: Ranking, old: Mapping[int, Neighbour] | None) -> npt.NDArray[np.bool_]:
        """Which candidates are bridges: fair ones of another topic; what was one, or was not, stays so within a
        margin of fair."""
        theirs, own = self.index.topics_of(ranking.rows), self.index.topics_of(np.array([row]))[0]
        foreign = (theirs != own) & (theirs != 0) & (own != 0)
        least = np.full(len(theirs), FAIR)
        if old is not None:
            were = [other in old and old[other].bridge for other in ranking.rows.tolist()]
            least += np.where(were, -MARGIN, MARGIN)
        found: npt.NDArray[np.bool_] = foreign & (ranking.scores >= least)
        return found
