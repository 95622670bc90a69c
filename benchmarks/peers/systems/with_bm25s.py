"""This module is bm25s with its stemmer, its stop words and its numpy backend.

Settings: github.com/xhluca/bm25s, README, "Quickstart"; k1 and b as they come.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.task import K, Task

DISTRIBUTIONS = ("bm25s", "PyStemmer")


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    import bm25s
    import Stemmer

    notes = list(task.notes())
    stemmer = Stemmer.Stemmer("english")
    tokens = bm25s.tokenize([note.whole for note in notes], stopwords="en", stemmer=stemmer, show_progress=False)
    retriever = bm25s.BM25()
    retriever.index(tokens, show_progress=False)
    retriever.save(str(folder))
    (folder / "ids.json").write_text(json.dumps([note.id for note in notes]), encoding="utf-8")
    return 0.0


def opened(folder: Path, mode: str, backend: str = "numpy") -> Callable[[str], list[str]]:
    """See ``worker``."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    retriever = bm25s.BM25.load(str(folder), show_progress=False)
    retriever.backend = backend
    ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))

    def ask(text: str) -> list[str]:
        tokens = bm25s.tokenize(text, stopwords="en", stemmer=stemmer, show_progress=False)
        rows, scores = retriever.retrieve(tokens, k=min(K, len(ids)), show_progress=False, n_threads=1)
        return [ids[row] for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True) if score > 0]

    return ask
