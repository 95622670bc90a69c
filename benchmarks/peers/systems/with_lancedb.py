"""This module is LanceDB: full text and vectors in one table, put together by its default reranker, RRF.

Settings: docs.lancedb.com, "Hybrid search" (an embedding function in the schema, query_type="hybrid", RRF by default)
and "Vector indexing": no vector index is needed up to about a million rows; there, IVF_PQ as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.task import K, Task, model_folder

DISTRIBUTIONS = ("lancedb", "sentence-transformers", "torch")
_BATCH = 10_000
_INDEXED_FROM = 1_000_000


def build(task: Task, folder: Path) -> float:
    """See ``worker``."""
    import lancedb
    import pyarrow
    from lancedb.embeddings import get_registry
    from lancedb.index import FTS, IvfPq
    from lancedb.pydantic import LanceModel, Vector

    encoder = get_registry().get("sentence-transformers").create(name=model_folder())
    vectors = task.vectors()
    size, dim = vectors.shape
    # The fields must be real annotations, so the class is made here, where the encoder is known.
    made: dict[str, Any] = {
        "__annotations__": {"id": str, "text": str, "vector": Vector(dim)},
        "__module__": __name__,
        "text": encoder.SourceField(),
        "vector": encoder.VectorField(),
    }
    schema: Any = type("Row", (LanceModel,), made)

    def batches() -> Iterator[Any]:
        rows: list[Any] = []
        begin = 0
        for note in task.notes():
            rows.append(note)
            if len(rows) == _BATCH or begin + len(rows) == size:
                part = pyarrow.array(vectors[begin : begin + len(rows)].ravel())
                columns = [
                    pyarrow.array([row.id for row in rows]),
                    pyarrow.array([row.whole for row in rows]),
                    pyarrow.FixedSizeListArray.from_arrays(part, dim),
                ]
                yield pyarrow.RecordBatch.from_arrays(columns, ["id", "text", "vector"])
                begin += len(rows)
                rows = []

    table = lancedb.connect(folder).create_table("notes", schema=schema)
    for batch in batches():
        table.add(pyarrow.Table.from_batches([batch]))
    table.create_index("text", config=FTS())
    if size >= _INDEXED_FROM:
        table.create_index("vector", config=IvfPq(distance_type="cosine"))
    table.optimize()
    return 0.0


def opened(folder: Path, mode: str) -> Callable[[str], list[str]]:
    """See ``worker``."""
    import lancedb

    table = lancedb.connect(folder).open_table("notes")
    kind = {"lexical": "fts", "semantic": "vector", "hybrid": "hybrid"}[mode]

    def ask(text: str) -> list[str]:
        found = table.search(text, query_type=kind).limit(K)
        if mode != "lexical":
            found = found.distance_type("cosine")
        return [row["id"] for row in found.to_list()]

    return ask
