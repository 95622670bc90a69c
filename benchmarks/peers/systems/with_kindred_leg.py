"""This module is Kindred's lexical leg alone, which does what an engine for words does: analyse, add up, sort.

No correction of words, no acronyms and no marked passages; it ranks a thousand notes, as a search needs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.systems.with_kindred import DISTRIBUTIONS, build, version
from benchmarks.peers.task import K

__all__ = ["DISTRIBUTIONS", "build", "opened", "version"]


def opened(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    from indexer import open_index
    from search.legs import handed_on

    index = open_index(folder)
    analyser = index.manifest.analyser

    def ask(text: str) -> list[str]:
        terms = index.impacts.known(Counter(analyser.terms(text)))
        best = handed_on(index, index.by_words(terms), None)
        return [index.note(row).id for row in best.rows[:K].tolist()]

    return ask
