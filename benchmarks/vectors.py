"""This module finds from how many vectors on HNSW is worth its file: exact search against faiss, one query at a time.

    python -m benchmarks.vectors

The vectors are made from a seed: unit, 384 dimensions, in clusters along 60 uneven directions, as sentence vectors lie.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.results import save, table
from indexer.bert import Vectors
from indexer.vectors import build_ann, load_ann, nearest

SIZES = (1_000, 10_000, 30_000, 100_000)
QUERIES = 100
DEPTH = 100  # as deep as a search asks


def made_vectors(count: int, seed: int = 0, dim: int = 384) -> Vectors:
    """Unit rows, float32 [count, dim]."""
    chance = np.random.default_rng(seed)
    axes = chance.standard_normal((60, dim)) * np.linspace(1, 0.1, 60)[:, None]
    centres = chance.standard_normal((400, 60))
    spots = centres[chance.integers(0, 400, count)] + 0.8 * chance.standard_normal((count, 60))
    rows: Vectors = (spots @ axes + axes[0]).astype(np.float32) + np.float32(0.35) * chance.standard_normal(
        (count, dim), dtype=np.float32
    )
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def main() -> None:
    """Measure, save, print."""
    rows, record = [], []
    for size in SIZES:
        every = made_vectors(size + QUERIES)
        vectors, queries = every[:size], every[size:]
        with tempfile.TemporaryDirectory() as scratch:
            started = time.perf_counter()
            build_ann(Path(scratch) / "ann.faiss", vectors)
            build = time.perf_counter() - started
            graph = load_ann(Path(scratch) / "ann.faiss", size)
            times: dict[str, list[float]] = {"exact": [], "hnsw": []}
            found = 0
            for query in queries:
                started = time.perf_counter()
                exact = nearest(query, vectors, DEPTH)
                times["exact"].append(time.perf_counter() - started)
                started = time.perf_counter()
                close = nearest(query, vectors, DEPTH, ann=graph)
                times["hnsw"].append(time.perf_counter() - started)
                best = exact[np.argsort(-(vectors[exact] @ query))[:10]]
                found += len(np.intersect1d(best, close))
        medians = {name: statistics.median(values) for name, values in times.items()}
        recall = found / (10 * QUERIES)
        record.append({"notes": size, "build seconds": build, "recall@10": recall, "median seconds": medians})
        rows.append(
            [
                f"{size:,}",
                f"{1000 * medians['exact']:.2f} ms",
                f"{1000 * medians['hnsw']:.2f} ms",
                f"{recall:.3f}",
                f"{build:.1f} s",
            ]
        )
    save("vectors", {"rows": record}, table(["vectors", "exact", "HNSW", "recall@10", "graph built in"], rows))


if __name__ == "__main__":
    main()
