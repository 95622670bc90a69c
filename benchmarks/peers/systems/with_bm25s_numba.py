"""This module is bm25s asked through its numba backend, which is compiled anew in every process.

Settings: github.com/xhluca/bm25s, README, "Numba backend": about twice as fast on larger collections.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.systems import with_bm25s
from benchmarks.peers.task import Task

DISTRIBUTIONS = ("bm25s", "numba", "PyStemmer")


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    return with_bm25s.build(task, folder)


def opened(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    return with_bm25s.opened(folder, mode, backend="numba")
