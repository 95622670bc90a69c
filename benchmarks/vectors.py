"""This module measures the search by meaning alone: exact and by codes, with and without filters, a query at a time.

python -m benchmarks.vectors                      vectors made from a seed
python -m benchmarks.vectors --size 1000000       and as many more
python -m benchmarks.vectors --large INDEX        and those of another index, asked for titles of its notes

The made vectors are unit, of 384 dimensions, in clusters along 60 uneven directions, as sentence vectors lie.  What
is not measured again keeps its figures.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.outside import add_large
from benchmarks.results import save, saved, table, with_kept
from indexer import load_encoder, one_blas_thread, open_index
from indexer.bert import Vectors
from indexer.codes import Codes, compress, load_codes, save_codes
from indexer.vectors import Mask, Rows, Scores, load_vectors, nearest, save_vectors

SIZES = [1_000, 10_000, 30_000, 100_000]
QUERIES = 50
SHALLOW, DEEP = 100, 1000  # as deep as related notes and a search ask
FILTERS = (0.5, 0.01, 0.0001)  # shares of the notes that a filter lets through
_CHUNK = 100_000  # vectors that are made at a time


def made_vectors(count: int, seed: int = 0, dim: int = 384) -> Vectors:
    """Unit rows, float32 [count, dim]."""
    chance = np.random.default_rng(seed)
    axes = (chance.standard_normal((60, dim)) * np.linspace(1, 0.1, 60)[:, None]).astype(np.float32)
    centres = chance.standard_normal((400, 60), dtype=np.float32)
    unit = np.empty((count, dim), dtype=np.float32)
    for begin in range(0, count, _CHUNK):
        some = min(_CHUNK, count - begin)
        spots = centres[chance.integers(0, 400, some)]
        spots += np.float32(0.8) * chance.standard_normal((some, 60), dtype=np.float32)
        rows = spots @ axes + axes[0] + np.float32(0.35) * chance.standard_normal((some, dim), dtype=np.float32)
        unit[begin : begin + some] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", action="append", default=[], type=int, metavar="N", help="so many made vectors")
    add_large(options)
    return options


def main() -> None:
    """Measure, save, print."""
    options = parser().parse_args()
    record = []
    with tempfile.TemporaryDirectory() as scratch, one_blas_thread():
        for size in SIZES + options.size:
            every = made_vectors(size + QUERIES)
            save_vectors(Path(scratch) / "vectors.npy", every[:size])
            queries = every[size:].copy()
            del every
            vectors = load_vectors(Path(scratch) / "vectors.npy", size, queries.shape[1])
            record.append(measured("made", vectors, queries, Path(scratch)))
        for folder in options.large:
            index = open_index(folder)
            known = index.manifest.encoder
            encoder = load_encoder(known.name, known=known, adapter=index.adapter)
            rows = np.linspace(0, len(index) - 1, QUERIES).astype(np.int64)
            titles = [index.whitened(encoder.encode_query(index.note(row).title)) for row in rows.tolist()]
            record.append(measured("of papers", index.vectors, np.stack(titles), Path(scratch)))
    record = with_kept(record, saved("vectors").get("rows", []), "kind", "vectors")
    save("vectors", {"queries": QUERIES, "rows": record}, vectors_text(record))


def measured(kind: str, vectors: Vectors, queries: Vectors, scratch: Path) -> dict[str, Any]:
    """Times in seconds (medians) and recalls of every way to search; the codes are written into ``scratch``."""
    path = scratch / f"codes.{kind}.{len(vectors)}"
    started = time.perf_counter()
    save_codes(path, compress(vectors))
    build = time.perf_counter() - started
    codes = load_codes(path, len(vectors), vectors.shape[1])
    chance = np.random.default_rng(1)
    ways: dict[str, tuple[int, Codes | None, Mask | None]] = {
        "exact": (DEEP, None, None),
        "codes": (DEEP, codes, None),
        "codes, shallow": (SHALLOW, codes, None),
    }
    for share in FILTERS:
        ways[f"filter {share}"] = (DEEP, codes, chance.random(len(vectors)) < share)
    times: dict[str, list[float]] = {name: [] for name in ways}
    recalls: dict[str, list[float]] = {f"{name}@{depth}": [] for name in ways for depth in (10, DEEP)}
    for query in queries:
        every = vectors @ query
        for name, (depth, how, allowed) in ways.items():
            search = _search(query, vectors, depth, allowed, how)
            started = time.perf_counter()
            found = search()
            times[name].append(time.perf_counter() - started)
            candidates = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
            best = candidates[_best(every[candidates], depth)]
            for deep in (10, DEEP):
                recalls[f"{name}@{deep}"].append(float(np.isin(best[:deep], found).mean()) if len(best) else 1.0)
    return {
        "kind": kind,
        "vectors": len(vectors),
        "build seconds": build,
        "bytes": sum(file.stat().st_size for file in path.iterdir()),
        "median seconds": {name: statistics.median(values) for name, values in times.items()},
        "recall": {name: float(np.mean(values)) for name, values in recalls.items()},
    }


def vectors_text(record: list[dict[str, Any]]) -> str:
    """The tables of times and recalls, with a line above each."""
    times, recalls = [], []
    for row in record:
        name = f"{row['vectors']:,} {row['kind']}"
        spent, found = row["median seconds"], row["recall"]
        filters = [f"filter {share}" for share in FILTERS]
        times.append([name, *(f"{1000 * spent[way]:.2f} ms" for way in ("exact", "codes", "codes, shallow", *filters))])
        size = f"{row['bytes'] / 1e6:.1f} MB"
        least = min(found[f"{way}@10"] for way in filters)
        figures = [found["codes@10"], found["codes@1000"], found["codes, shallow@10"], least]
        recalls.append([name, *(f"{figure:.3f}" for figure in figures), size, f"{row['build seconds']:.1f} s"])
    shares = [f"{share:.2%}".replace(".00", "") + " allowed" for share in FILTERS]
    return "\n\n".join(
        [
            "Time of one query on one core, 1,000 notes deep where nothing else is said:",
            table(["vectors", "exact", "codes", "codes, 100 deep", *shares], times),
            "What the codes find of what exact search finds, their size, and the time that it takes to make them:",
            table(
                [
                    "vectors",
                    "recall@10",
                    "recall@1000",
                    "recall@10, 100 deep",
                    "recall@10, worst filter",
                    "size",
                    "made in",
                ],
                recalls,
            ),
        ]
    )


def _best(scores: Scores, depth: int) -> Rows:
    """Places of the greatest scores, the best first."""
    found = np.argpartition(-scores, depth)[:depth] if len(scores) > depth else np.arange(len(scores))
    ranking: Rows = found[np.argsort(-scores[found])]
    return ranking


def _search(
    query: Vectors, vectors: Vectors, depth: int, allowed: Mask | None, ann: Codes | None
) -> Callable[[], Rows]:
    return lambda: nearest(query, vectors, depth, allowed, ann)[0]


if __name__ == "__main__":
    main()
