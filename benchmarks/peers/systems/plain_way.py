"""This module puts a search together in the plain way: Whoosh, sentence-transformers, Faiss without a graph, and RRF.

Settings: sbert.net, "Semantic search" (normalised vectors, encode_query); github.com/facebookresearch/faiss/wiki,
"Guidelines to choose an index" (exact: Flat); Cormack, Clarke and Büttcher 2009 for RRF, whose k is 60.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.systems import with_whoosh
from benchmarks.peers.task import K, Task, model_folder

DISTRIBUTIONS = ("whoosh-reloaded", "sentence-transformers", "faiss-cpu", "torch")
_RRF = 60
_DEPTH = 100  # of each ranking that is put together
_BATCH = 10_000


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    import faiss

    (folder / "whoosh").mkdir()
    with_whoosh.build(task, folder / "whoosh")
    vectors = task.vectors()
    index = faiss.IndexFlatIP(vectors.shape[1])
    for begin in range(0, len(vectors), _BATCH):
        index.add(vectors[begin : begin + _BATCH])
    faiss.write_index(index, str(folder / "vectors.faiss"))
    (folder / "ids.json").write_text(json.dumps([note.id for note in task.notes()]), encoding="utf-8")
    return 0.0


def opened(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    import faiss
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(model_folder(), device="cpu")
    index = faiss.read_index(str(folder / "vectors.faiss"))
    ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
    words = with_whoosh.opened(folder / "whoosh", "lexical", _DEPTH) if mode == "hybrid" else None

    def nearest(text: str, depth: int) -> list[str]:
        vector = model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        _, rows = index.search(vector[None], depth)
        return [ids[row] for row in rows[0].tolist() if row >= 0]

    def ask(text: str) -> list[str]:
        if words is None:
            return nearest(text, K)
        scores: dict[str, float] = {}
        for ranking in (words(text), nearest(text, _DEPTH)):
            for rank, note in enumerate(ranking, start=1):
                scores[note] = scores.get(note, 0.0) + 1 / (_RRF + rank)
        return sorted(scores, key=lambda note: (-scores[note], note))[:K]

    return ask
