"""This module times building an index, and building it again after one note changed, at several sizes.

    python -m benchmarks.building --papers papers.jsonl.gz

Without ``--papers`` the notes are made up, and rows of papers keep their figures.  Each size has a process of its own.
An encoder that costs nothing takes the place of the real one, so that what is measured is everything else.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.outside import add_papers, add_sizes, read_papers
from benchmarks.results import save, saved, table, with_kept
from indexer import BuildReport, EncoderInfo, Vectors, build_index

SIZES = (10_000, 100_000)  # notes
ROUNDS = 3  # of each small change; the best of them counts
_DIM = 384
_CODES = "compressing vectors"
MADE_UP, PAPERS = "made-up", "papers"


class Scattered:
    """An encoder that gives every text a direction of its own, in no time."""

    info = EncoderInfo("scattered", "custom", "scattered-1", _DIM)

    def encode_documents(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Unit rows, float32 [len(texts), 384], from a table of directions and the checksum of each text."""
        directions = np.random.default_rng(0).standard_normal((1024, _DIM), dtype=np.float32)
        vectors = np.empty((len(texts), _DIM), dtype=np.float32)
        for row, text in enumerate(texts):
            chance = random.Random(text)  # noqa: S311 - no secrets
            first, second = chance.randrange(1024), chance.randrange(1024)
            vectors[row] = directions[first] + (0.5 + chance.random()) * directions[second]
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def encode_query(self, text: str) -> Vectors:
        """The same for one text."""
        vector: Vectors = self.encode_documents([text])[0]
        return vector


def made_up(count: int) -> list[dict[str, str]]:
    """As many notes of 60 words out of 200,000, frequent and rare as words are."""
    chance = random.Random(0)  # noqa: S311 - no secrets
    words = ["".join(chance.choices("etaoinshrdlucmfw", k=chance.randint(2, 11))) for _ in range(200_000)]
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))
    return [
        {
            "id": f"note-{number}",
            "title": " ".join(chance.choices(words, cum_weights=weights, k=9)),
            "description": " ".join(chance.choices(words, cum_weights=weights, k=55)),
        }
        for number in range(count)
    ]


def measure(records: list[dict[str, str]], scratch: Path, rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds of every kind of build, in this process, and the most memory that it took, in MB."""
    source, encoder = scratch / "notes.jsonl", Scattered()
    stages: dict[str, float] = {}

    def build() -> tuple[float, BuildReport]:
        source.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
        begun = time.perf_counter()

        def told(stage: str, done: int, total: int) -> None:
            if done in (0, total):
                stages[f"{stage} {'begins' if done == 0 else 'ends'}"] = time.perf_counter()

        report = build_index([source], scratch / "index", encoder=encoder, progress=told)
        return time.perf_counter() - begun, report

    whole, _ = build()
    codes = stages[f"{_CODES} ends"] - stages[f"{_CODES} begins"] if f"{_CODES} ends" in stages else 0.0
    found: dict[str, Any] = {"notes": len(records), "codes": codes, "all but the codes": whole - codes}
    found["memory MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    middle = len(records) // 2
    changes: dict[str, Callable[[int], object]] = {
        "nothing": lambda round_: None,
        "one changed": lambda round_: records[middle].update(description=f"Another text, the {round_}th of them."),
        "one gone": lambda round_: records.pop(middle + 7),
        "one more": lambda round_: records.append(
            {"id": f"more-{round_}", "title": "One more", "description": f"{round_}"}
        ),
    }
    for name, change in changes.items():
        times = []
        for round_ in range(rounds):
            change(round_)
            seconds, report = build()
            if report.published != (name != "nothing"):
                raise SystemExit(f"{name}: published {report.published}")
            times.append(seconds)
        found[name] = min(times)
    return found


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_papers(options)
    add_sizes(options, SIZES)
    options.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return options


def main() -> None:
    """Measure, save, print."""
    given = parser().parse_args()
    if given.one:
        papers = islice(read_papers(given.papers), given.one) if given.papers else None
        records = made_up(given.one) if papers is None else [asdict(paper) for paper in papers]
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(measure(records, Path(scratch))))
        return
    rows = []
    for size in given.sizes:
        papers_given = ["--papers", str(given.papers)] if given.papers else []
        command = [sys.executable, "-m", "benchmarks.building", "--one", str(size), *papers_given]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append({"kind": PAPERS if given.papers else MADE_UP, **json.loads(done.stdout.splitlines()[-1])})
    record = {"rounds": ROUNDS, "rows": with_kept(rows, saved("building").get("rows", []), "kind", "notes")}
    save("building", record, building_text(record))


def building_text(record: dict[str, Any]) -> str:
    """The README's text."""
    columns = ["all but the codes", "codes", "nothing", "one changed", "one gone", "one more"]
    header = [
        "notes",
        "from nothing",
        "the codes of vectors",
        "nothing changed",
        "one changed",
        "one gone",
        "one more",
        "memory",
    ]
    rows = [
        [
            f"{row['notes']:,} {row['kind']}",
            *(f"{row[column]:.1f} s" if row[column] else "" for column in columns),
            f"{row['memory MB']:,} MB",
        ]
        for row in record["rows"]
    ]
    note = (
        "Of papers the titles and abstracts were taken; encoding is not counted; small changes are the best of "
        f"{record['rounds']}."
    )
    return f"{table(header, rows)}\n\n{note}"


if __name__ == "__main__":
    main()
