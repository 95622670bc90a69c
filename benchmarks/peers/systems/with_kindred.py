"""This module is Kindred through its public API: built with the vectors that all systems are given."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from benchmarks.peers.task import NOTES, Task

if TYPE_CHECKING:
    from search.searcher import Searcher

DISTRIBUTIONS = ("numpy", "tokenizers", "faiss-cpu", "whoosh-reloaded", "PyStemmer")


def build(task: Task, folder: Path) -> float:
    """See ``worker``.  Beside the index lie a copy of the notes, so that one can be changed and indexed again, and
    ``stages.json``: the seconds of each stage of the build that says when it begins."""
    from benchmarks.peers.given import ENCODINGS, GivenEncoder  # here, because to search none of this is needed
    from indexer import build_index

    begun = time.perf_counter()
    notes = notes_of(folder)
    shutil.copyfile(task.folder / NOTES, notes)
    copied = time.perf_counter() - begun
    encoder = GivenEncoder(task, task.folder.parent / ENCODINGS)
    stages: dict[str, float] = {}

    def clock(stage: str, done: int, total: int) -> None:
        if done == 0:
            stages[stage] = -time.perf_counter()
        elif done == total and stage in stages:
            stages[stage] += time.perf_counter()

    build_index([notes], folder, encoder=encoder, progress=clock)
    folder.with_name("stages.json").write_text(json.dumps(stages), encoding="utf-8")
    return copied + encoder.seconds


def notes_of(folder: Path) -> Path:
    """Where the notes lie that an index was built from."""
    return folder.with_name("notes.jsonl")


def opened(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    from search.searcher import Searcher

    return _asking(Searcher.open(folder), mode)


def _asking(searcher: Searcher, mode: str) -> Callable[[str], list[str]]:
    chosen = cast(Literal["lexical", "semantic", "hybrid"], mode)

    def ask(text: str) -> list[str]:
        return [hit.note.id for hit in searcher.search(text, mode=chosen)]

    return ask


def lasting(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    from search.searcher import Searcher

    return _asking(Searcher.open(folder).prepare(), mode)


def version() -> dict[str, str]:
    """Kindred's own."""
    from importlib.metadata import version

    return {"kindred": version("kindred")}
