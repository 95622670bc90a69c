"""This module takes a search apart: its two legs and what follows them, timed at an index of any size.

python -m benchmarks.legs                      the owner's notes
python -m benchmarks.legs --large INDEX        and another index, of many notes

Queries are made of titles at even distances: their first two words, all of them, and twenty words of the description.
Each index is searched in a process of its own, on one thread.  Times are the processor's, so that other work on the
machine tells on them less; nothing here waits for a disk.  Indexes that are not given keep their figures.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.outside import add_large
from benchmarks.results import ROOT, save, saved, table, with_kept

QUERIES = 40  # of each kind
KINDS = ("two words", "a title", "twenty words")
STAGES = ("words read", "lexical leg", "query encoded", "semantic leg", "both as one", "hits shown")
_COLD = 3  # whole commands

T = TypeVar("T")


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_large(options)
    options.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    return options


def main() -> None:
    """Measure, save, print."""
    options = parser().parse_args()
    if options.one is not None:
        print(json.dumps(measured(options.one)))
        return
    from indexer import build_index

    with tempfile.TemporaryDirectory() as scratch:
        build_index([ROOT / "data"], Path(scratch))
        record = []
        for folder in (Path(scratch), *options.large):
            command = [sys.executable, "-m", "benchmarks.legs", "--one", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            record.append({**json.loads(done.stdout), "cold seconds": _cold(folder)})
    record = with_kept(record, saved("legs").get("rows", []), "notes")
    save("legs", {"queries": QUERIES, "rows": record}, legs_text(record))


def measured(folder: Path) -> dict[str, Any]:
    """Seconds of every stage and of whole searches, and of the lexical leg beside the adding up of every posting,
    whose rankings must be the same; memory and disk in bytes."""
    from indexer import one_blas_thread, open_index
    from search import Searcher

    openings = [_timed(lambda: open_index(folder))[1] for _ in range(5)]
    searcher = Searcher.open(folder)
    index = searcher.index
    rows = np.linspace(0, len(index) - 1, QUERIES).astype(np.int64).tolist()
    notes = [index.note(row) for row in rows]
    texts = {
        "two words": [_words(note.title, 2) for note in notes],
        "a title": [_words(note.title) for note in notes],
        "twenty words": [_words(note.description, 20) for note in notes],
    }
    searcher.search("warm")
    whole: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        for text in texts[kind]:
            whole[kind].append(_timed(lambda text=text: searcher.search(text))[1])  # type: ignore[misc]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    stages: dict[str, list[float]] = defaultdict(list)
    legs: dict[str, dict[str, list[float]]] = {kind: {"kindred": [], "every posting": []} for kind in KINDS}
    with one_blas_thread():
        for kind in KINDS:
            for text in texts[kind]:
                _stages(searcher, text, stages)
                _lexical(searcher, text, legs[kind])
    return {
        "notes": len(index),
        "bytes": sum(path.stat().st_size for path in (folder / index.manifest.generation).rglob("*") if path.is_file()),
        "open seconds": statistics.median(openings),
        "peak bytes": peak,
        "search seconds": {kind: _summary(values) for kind, values in whole.items()},
        "all": _summary([value for values in whole.values() for value in values]),
        "stage seconds": {name: statistics.median(values) for name, values in stages.items()},
        "lexical seconds": {
            kind: {name: _summary(values) for name, values in ways.items()} for kind, ways in legs.items()
        },
    }


def legs_text(record: list[dict[str, Any]]) -> str:
    """The tables, with a line above each."""
    whole, stages, lexical = [], [], []
    for row in record:
        name = f"{row['notes']:,}"
        whole.append(
            [
                name,
                f"{1000 * row['open seconds']:.1f} ms",
                f"{1000 * row['all']['median']:.1f} ms",
                f"{1000 * row['all']['p95']:.1f} ms",
                f"{1000 * row['cold seconds']:.0f} ms",
                f"{row['peak bytes'] / 1e6:.0f} MB",
                f"{row['bytes'] / 1e6:,.0f} MB",
            ]
        )
        stages.append([name, *(f"{1000 * row['stage seconds'][stage]:.2f} ms" for stage in STAGES)])
        cells = [
            f"{1000 * found['kindred']['median']:.2f} ms ({1000 * found['every posting']['median']:.2f} ms)"
            for found in (row["lexical seconds"][kind] for kind in KINDS)
        ]
        lexical.append([name, *cells])
    header = [
        "notes",
        "opened in",
        "a search, median",
        "95 of 100 within",
        "whole command",
        "memory at its peak",
        "disk",
    ]
    return "\n\n".join(
        [
            "A search by words and meaning on one thread, in processor time; the index open but for the whole command:",
            table(header, whole),
            "Where the time goes (medians):",
            table(["notes", *STAGES], stages),
            "The lexical leg, and in brackets the adding up of every posting and the sorting of every note found:",
            table(["notes", *KINDS], lexical),
        ]
    )


def _words(text: str, count: int | None = None) -> str:
    """The first words of a text, without the signs that would demand something."""
    return " ".join(re.findall(r"\w+", text)[:count])


def _stages(searcher: Any, text: str, times: dict[str, list[float]]) -> None:
    """One search by the steps of ``Searcher.answer``, each timed."""
    from search.hybrid import both_legs
    from search.legs import handed_on
    from search.searcher import read
    from search.wording import word

    index = searcher.index

    def step(name: str, work: Callable[[], T]) -> T:
        found, spent = _timed(work)
        times[name].append(spent)
        return found

    wording = step("words read", lambda: word(index, read(text)))

    def by_words() -> tuple[Any, Any]:
        leg = index.by_words(wording.terms)
        return leg, handed_on(index, leg, None)

    words, lexical = step("lexical leg", by_words)
    vector, tokens = step("query encoded", lambda: searcher._encode(wording.text))
    near = index.by_meaning(vector)
    semantic = step("semantic leg", lambda: handed_on(index, near, None))
    legs = {"lexical": lexical, "semantic": semantic}
    runs = index.by_runs(read(text).words)
    ranking = step("both as one", lambda: both_legs(index, legs, words, runs, wording.ceiling, near, vector, tokens))
    step("hits shown", lambda: searcher._hits(ranking, 10, legs, wording.terms))


def _lexical(searcher: Any, text: str, times: dict[str, list[float]]) -> None:
    """The lexical leg and the exhaustive one; raises RuntimeError where they differ in a bit."""
    from search.legs import handed_on, ranked
    from search.searcher import read
    from search.wording import word

    index = searcher.index
    terms = word(index, read(text)).terms

    def every() -> Any:
        scores = np.zeros(len(index), dtype=np.float32)
        for number, weight in terms.items():
            postings, values = index.impacts.postings(number)
            scores[postings] += np.float32(weight) * values
        rows = np.flatnonzero(scores > 0).astype(np.int64)
        return ranked(index, rows, scores[rows])

    found, spent = _timed(lambda: handed_on(index, index.by_words(terms), None))
    times["kindred"].append(spent)
    expected, spent = _timed(every)
    times["every posting"].append(spent)
    same = found.rows.tobytes() == expected.rows.tobytes() and found.scores.tobytes() == expected.scores.tobytes()
    if not same:
        raise RuntimeError(f"the lexical leg differs from adding up every posting for {text!r}")


def _cold(folder: Path) -> float:
    command = [sys.executable, "-m", "search.cli", "search", "how do reward models fail?", "--no-server"]
    command += ["--index", str(folder)]
    spent = []
    for _ in range(_COLD):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(spent)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


def _summary(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "p95": float(np.quantile(values, 0.95))}


if __name__ == "__main__":
    main()
