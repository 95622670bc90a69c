"""This module says what a searcher needs of an index, wherever its notes live: in a folder, or on an engine.

A home scores notes and hands out what it holds of them; what a query means, how its legs become one ranking, and what
is shown of it, is the same code above every home.  Rows are numbers that name notes for as long as a home is open:
in a folder 0 to n - 1 in the order of the notes, elsewhere whatever the home likes, and never two notes the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from indexer.acronyms import Acronyms
from indexer.adapters import Adapter
from indexer.bert import Vectors
from indexer.demands import Demand, Leaf
from indexer.impacts import Counted, Scores
from indexer.late import WeightedTokens
from indexer.manifest import Manifest
from indexer.notes import Note
from indexer.vectors import Rows
from indexer.words import Words


class Allowed(Protocol):
    """The notes that a demand lets through."""

    def admits(self, row: int) -> bool:
        """Whether a note is among them."""
        ...

    def rows(self) -> Rows:
        """All of them, in the order of the notes."""
        ...


class Leg(Protocol):
    """How well each note answers one query in one respect."""

    def best(self, depth: int, allowed: Allowed | None = None) -> tuple[Rows, Scores]:
        """The rows with the ``depth`` greatest scores among those allowed, in no particular order, and their scores;
        fewer where there are fewer, perhaps more where several equal the last.  A leg by words leaves out scores of 0.
        """
        ...

    def of(self, rows: Rows) -> Scores:
        """The scores of these rows: float32 [len(rows)]."""
        ...

    def place(self, row: int, allowed: Allowed | None = None) -> tuple[int | None, int]:
        """The rank of a note among those allowed, from 1, equal ones by their ids, and how many are ranked.  None
        where it is not ranked, or lies deeper than the home can count."""
        ...


class Late(Protocol):
    """Token vectors of notes; see ``indexer.late.LateIndex``."""

    def prepare(self, states: Vectors, pieces: npt.NDArray[np.int32]) -> WeightedTokens:
        """Tokens of a query, ready to be compared."""
        ...

    def note_tokens(self, row: int) -> WeightedTokens:
        """A note, ready to be a query."""
        ...

    def scores(self, query: WeightedTokens, rows: Rows) -> Scores:
        """MaxSim of each note in ``rows``: float32 [len(rows)]."""
        ...


@dataclass(frozen=True, slots=True)
class Hubness:
    """What a builder knows of how near notes are to whatever is near them (see ``search.likeness``).

    ``of`` holds it for each note in the order of rows, or is None in a collection where that would take too long; then
    it is about ``start`` + ``slope`` times the mean cosine with the ``NEAREST`` nearest notes.
    """

    of: Scores | None  # float32 [n_notes]
    usual: float  # what notes are on average
    start: float = 0.0
    slope: float = 0.0


NEAREST = 50  # neighbours that say how near a note is to everything


def mean_of_nearest(row: int, rows: Rows, scores: Scores) -> float:
    """The mean of the greatest ``NEAREST`` scores but for that of ``row``; 0 where there is no other."""
    others = np.sort(scores[rows != row])[-NEAREST:]
    return float(others.mean(dtype=np.float64)) if len(others) else 0.0


class Home(Protocol):
    """One generation of an index, open for reading; safe to share between threads."""

    @property
    def manifest(self) -> Manifest:
        """What the generation is made of."""
        ...

    @property
    def lexicon(self) -> Counted:
        """The terms that rank."""
        ...

    @property
    def words(self) -> Words:
        """The words as they are written; their ``terms`` are numbers of ``lexicon``."""
        ...

    @property
    def acronyms(self) -> Acronyms:
        """Acronyms and their long forms."""
        ...

    @property
    def adapter(self) -> Adapter | None:
        """What the notes taught their encoder."""
        ...

    @property
    def centroid(self) -> Vectors:
        """The mean of all vectors: float32 [dim]."""
        ...

    @property
    def late(self) -> Late | None:
        """Token vectors, where they are kept."""
        ...

    def __len__(self) -> int:
        """How many notes there are."""
        ...

    def where(self) -> str:
        """How people name this home: a folder, or an address."""
        ...

    @property
    def edition(self) -> str:
        """Names what is read: the generation, and how often it was published where it can be more than once."""
        ...

    def is_current(self) -> bool:
        """Whether no newer generation was published; cheap enough to be asked before every query."""
        ...

    def ensure_kept(self) -> None:
        """For the end of long work: raises ClusterError (reason "replaced") where newer generations took this one's
        place so long ago that notes may have been lacking meanwhile."""
        ...

    def newest(self) -> Home:
        """The newest generation.  Raises what opening raises."""
        ...

    # Notes

    def note(self, row: int) -> Note:
        """The note of a row.  Raises IndexCorruptError where what is kept is not a note."""
        ...

    def read_ahead(self, rows: Rows) -> None:
        """Fetch in one go notes that ``note`` will be asked for, where that saves time."""
        ...

    def notes(self) -> Iterator[Note]:
        """Every note, in order."""
        ...

    def notes_between(self, first: int, last: int) -> list[Note]:
        """The notes from the place ``first`` on and before ``last``, in order; fewer at the end."""
        ...

    def rows(self) -> Rows:
        """Every row, in the order of the notes."""
        ...

    def sample(self, count: int) -> Rows:
        """Up to ``count`` rows at even distances over the notes, in their order; the same whenever it is asked."""
        ...

    def row_of(self, note_id: str) -> int | None:
        """The row of a note's id, or None."""
        ...

    def ids_around(self, prefix: str, before: int, after: int) -> list[str]:
        """Ids, sorted: up to ``before`` that stand before ``prefix``, and ``after`` from there on."""
        ...

    def id_order(self, rows: Rows) -> npt.NDArray[np.int32]:
        """Numbers that stand to each other as the ids of ``rows`` do: int32 [len(rows)]; they settle every tie."""
        ...

    # What a query asks

    def by_words(self, weights: Mapping[int, float]) -> Leg:
        """BM25F for terms given by number with their weights in the query."""
        ...

    def by_runs(self, words: str) -> Leg | None:
        """BM25F of the runs of letters in ``words``, where they are kept."""
        ...

    def by_meaning(self, vector: Vectors) -> Leg:
        """The cosine with a unit vector, float32 [dim], that is whitened already."""
        ...

    def best_of(self, legs: Sequence[Leg], depth: int) -> list[tuple[Rows, Scores]]:
        """``Leg.best`` of several legs of one kind, in their order; asked in one go where that saves time."""
        ...

    def whitened(self, vector: Vectors) -> Vectors:
        """A query's vector, float32 [dim], as those of the notes are."""
        ...

    def allowed(self, demand: Demand) -> Allowed:
        """The notes that satisfy a demand."""
        ...

    def terms_for(self, leaves: Sequence[Leaf]) -> list[str]:
        """The terms that patterns stand for, each in its field: sorted, each once."""
        ...

    def holding(self, numbers: Sequence[int], every: bool) -> int:
        """How many notes hold one of these terms, or with ``every`` all of them."""
        ...

    def together(self, weights: Mapping[int, float], numbers: Sequence[int]) -> list[float]:
        """For each term of ``numbers`` the BM25F for ``weights`` of the notes that hold it, summed; a home may leave
        out notes beyond the best thousand."""
        ...

    # How notes are related

    def vector(self, row: int) -> Vectors:
        """A note's vector: float32 [dim]."""
        ...

    def vectors_of(self, rows: Rows) -> Vectors:
        """Notes' vectors: float32 [len(rows), dim]."""
        ...

    def topics_of(self, rows: Rows) -> npt.NDArray[np.int32]:
        """A number a topic, 0 for none: int32 [len(rows)]."""
        ...

    def said(self, row: int) -> tuple[npt.NDArray[np.int32], Scores, Scores]:
        """A note's terms by number, ascending, their impacts, and how often each stands in title and description."""
        ...

    def affinity(self, row: int, rows: Rows, by_token: bool = False) -> Scores:
        """How related a note is to each of ``rows``: float32 [len(rows)]; see ``indexer.pairs.affinities``."""
        ...

    def affinities(self, seeds: Rows, rows: Rows, by_token: bool = False) -> Scores:
        """The same for several notes: float32 [len(seeds), len(rows)]."""
        ...

    def shared_words(self, row: int, rows: Rows) -> Scores:
        """How much of the weight of their words two notes share; see ``indexer.pairs.mutual_bm25``."""
        ...

    def telling(self, number: int) -> float:
        """How far a term is about something, 0 to 1; see ``indexer.telling``."""
        ...

    def hubness(self, rows: Rows) -> tuple[Scores, float] | None:
        """What each of ``rows`` is to whatever is near it, and what notes are on average, where the home keeps it;
        see ``search.likeness``."""
        ...

    def ahead(self, rows: Rows) -> None:
        """Fetch in one go what the lists of these notes will ask for, where that saves time."""
        ...
