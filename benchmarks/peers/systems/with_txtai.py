"""This module is txtai's hybrid search, its settings as they come.

Settings: neuml.github.io/txtai, "Embeddings configuration": hybrid=True is BM25 and Faiss, mixed half and half.
The vectors that all systems are given enter by its "external" method; to search, it loads the model itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.task import K, Task, model_folder

DISTRIBUTIONS = ("txtai", "sentence-transformers", "faiss-cpu", "torch")


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    from txtai import Embeddings

    vectors = task.vectors()
    done = 0

    def given(texts: list[str]) -> Any:
        nonlocal done
        done += len(texts)
        return vectors[done - len(texts) : done]

    embeddings = Embeddings(method="external", transform=given, path=model_folder(), hybrid=True)
    embeddings.index((note.id, note.whole, None) for note in task.notes())
    embeddings.config.pop("transform")  # a function that no other process knows
    embeddings.config.pop("method")
    embeddings.save(str(folder))
    return 0.0


def opened(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    from txtai import Embeddings

    embeddings = Embeddings()
    embeddings.load(str(folder))

    def ask(text: str) -> list[str]:
        return [found for found, _ in embeddings.search(text, K)]

    return ask
