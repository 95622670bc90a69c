"""This module names the systems that are compared, and the rows of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["lexical", "semantic", "hybrid"]
MODES: tuple[Mode, ...] = ("lexical", "semantic", "hybrid")


@dataclass(frozen=True, slots=True)
class System:
    """One index, asked in one way or several; each is a row of the tables."""

    name: str
    module: str  # of benchmarks.peers.systems
    modes: tuple[Mode, ...]
    is_ours: bool = False  # runs where Kindred is installed; the others have an environment of their own

    def rows(self) -> list[tuple[str, Mode]]:
        """The rows' names with their modes."""
        return [(self.name if len(self.modes) == 1 else f"{self.name}, {mode}", mode) for mode in self.modes]


KINDRED = System("Kindred", "with_kindred", MODES, is_ours=True)
LEG = System("Kindred, the leg alone", "with_kindred_leg", ("lexical",), is_ours=True)
SYSTEMS = (
    KINDRED,
    LEG,
    System("tantivy", "with_tantivy", ("lexical",)),
    System("bm25s", "with_bm25s", ("lexical",)),
    System("bm25s, numba", "with_bm25s_numba", ("lexical",)),
    System("SQLite FTS5", "with_fts5", ("lexical",)),
    System("Whoosh", "with_whoosh", ("lexical",)),
    System("LanceDB", "with_lancedb", MODES),
    System("txtai", "with_txtai", ("hybrid",)),
    System("plain way", "plain_way", ("semantic", "hybrid")),
)
