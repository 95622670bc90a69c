"""This module makes the lists of all notes on a cluster of Spark on this machine, and beside it in one process.

    python -m benchmarks.spark [--papers FILE --vectors FILE] [--sizes 203,20000]

A master and two workers of one core each stand on loopback.  In each size the file that the cluster writes is compared
with that of one process, once more after a worker was killed while its lists were made, and once after the command
itself was, with how many parts the next one took over.  Papers are JSON lines with given vectors; without them the
owner's notes are measured alone, and other sizes keep their figures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.outside import add_papers, add_sizes, add_vectors
from benchmarks.peers.corpora import OWNER, Corpora
from benchmarks.peers.given import ENCODINGS, GivenEncoder
from benchmarks.peers.task import NOTES
from benchmarks.results import ROOT, save, saved, table
from benchmarks.standalone import Cluster, missing, until
from indexer import build_index, open_index
from search.lists import written
from search.progress import duration
from search.spark.job import read_folder
from search.spark.parts import Cut, in_order

SIZES = (OWNER, 20_000)


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_papers(options)
    add_vectors(options)
    add_sizes(options, SIZES)
    options.add_argument(
        "--work", type=Path, help="a folder that keeps indexes, and what was measured, for the next run"
    )
    return options


def main() -> None:
    """Measure, save, print."""
    given = parser().parse_args()
    if missing():
        print(f"left out: there is no {missing()} here, and nothing can be measured on Spark")
        return
    sizes = given.sizes if given.papers else (OWNER,)
    if not given.papers:
        print(f"without --papers there are the owner's {OWNER} notes alone", file=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        work = (given.work or Path(scratch)).absolute()
        rows: list[dict[str, Any]] = saved("spark").get("rows", [])
        for size in sizes:
            for row in _measured(_index(size, work, given.papers, given.vectors), work):
                rows = with_row(rows, row)
                save("spark", {"rows": rows}, spark_text(rows))


def with_row(rows: list[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
    """``rows`` by their sizes, with ``row`` for its own, unless the one that is there tells more."""
    found = {other["notes"]: other for other in rows}
    if found.get(row["notes"], {}).keys() <= row.keys():
        found[row["notes"]] = row
    return [found[size] for size in sorted(found)]


def spark_text(rows: list[dict[str, Any]]) -> str:
    """The README's table, with what was not measured left out, and whether every file was the same."""

    def took(row: dict[str, Any], name: str) -> str:
        return duration(row[name]) if name in row else "–"

    header = ["notes", "parts", "one process", "Spark, two workers", "times", "a worker killed", "taken over"]
    shown = [
        [
            f"{row['notes']:,}",
            str(row["parts"]),
            took(row, "one process"),
            took(row, "spark"),
            f"{row['spark'] / row['one process']:.1f}" if "spark" in row else "–",
            took(row, "killed"),
            f"{row['taken over']} of {row['parts']}, the rest in {took(row, 'again')}" if "again" in row else "–",
        ]
        for row in rows
    ]
    same = all(row["same"] for row in rows)
    verdict = "Every file was, byte by byte, the one that one process writes." if same else "**Some files differed.**"
    return (
        f"{table(header, shown)}\n\n{verdict}\n"
        "The two workers have the two cores that the one process has, so that this shows what Spark costs, not what "
        f"more machines would save; other work held them meanwhile, a load of {max(row['load'] for row in rows):.0f}."
    )


def _index(size: int, work: Path, papers: Path | None, vectors: Path | None) -> Path:
    """An index of so many notes, built where it is not there yet; without token vectors, which are not given."""
    folder = work / f"index-{size}" / "index"
    if (folder / "manifest.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    if size == OWNER:
        build_index([ROOT / "data"], folder)
        return folder
    task = Corpora(work, papers, vectors).sized(size)
    shutil.copyfile(task.folder / NOTES, folder.with_name(NOTES))
    build_index([folder.with_name(NOTES)], folder, encoder=GivenEncoder(task, work / ENCODINGS), tokens=False)
    return folder


def _measured(index: Path, work: Path) -> Iterator[dict[str, Any]]:
    """The seconds of each way, and whether all files are the same, after each that is measured; what an earlier run
    measured counts."""
    n_notes = len(open_index(index))
    record = work / f"spark-{n_notes}.json"
    row: dict[str, Any] = {"notes": n_notes, "parts": len(Cut(n_notes)), "same": True, "load": os.getloadavg()[0]}
    row |= json.loads(record.read_text("utf-8")) if record.is_file() else {}
    yield row
    one = work / f"one-{n_notes}.json"
    ways = {"one process": _alone, "spark": _undisturbed, "killed": _without_a_worker, "again": _again}
    for name, way in ways.items():
        if name in row:
            continue
        output = one if way is _alone else work / f"{n_notes}-{name}.parquet"
        for left in (output, output.with_name(f"{output.name}.parts")):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        row = row | way(index, output)
        if output != one:
            lists = in_order(read_folder(output))
            made = "".join(written(lists, open_index(index).manifest.generation, "json"))
            row["same"] &= made == one.read_text("utf-8")
        record.write_text(json.dumps(row), "utf-8")
        yield row


def _alone(index: Path, output: Path) -> dict[str, Any]:
    begun = time.perf_counter()
    _end(_begin(index, output))
    return {"one process": time.perf_counter() - begun}


def _undisturbed(index: Path, output: Path) -> dict[str, Any]:
    with _cluster() as cluster:
        begun = time.perf_counter()
        _end(_begin(index, output, cluster))
        return {"spark": time.perf_counter() - begun}


def _without_a_worker(index: Path, output: Path) -> dict[str, Any]:
    """One of the two is killed when the first lists are there."""
    with _cluster() as cluster:
        begun = time.perf_counter()
        process = _begin(index, output, cluster)
        until(lambda: _parts(output) or process.poll() is not None, "a part")
        cluster.workers[0].kill()
        _end(process)
        return {"killed": time.perf_counter() - begun}


def _again(index: Path, output: Path) -> dict[str, Any]:
    """The command is killed when half of the lists are there, and given again."""
    with _cluster() as cluster:
        process = _begin(index, output, cluster)
        half = len(Cut(len(open_index(index)))) / 2
        until(lambda: len(_parts(output)) > half or process.poll() is not None, "half of the parts")
        process.kill()
        process.wait()
        before = _parts(output)
        begun = time.perf_counter()
        _end(_begin(index, output, cluster))
        after = {(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in read_folder(output)}
        return {"again": time.perf_counter() - begun, "taken over": len(before & after)}


@contextmanager
def _cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder)) as cluster:
        yield cluster


def _parts(output: Path) -> set[tuple[str, int, int]]:
    """The parts that are there already: name, inode and time."""
    paths = output.with_name(f"{output.name}.parts").glob("part-*")
    return {(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def _begin(index: Path, output: Path, cluster: Cluster | None = None) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "search.cli",
        "related",
        "--all",
        "--fresh",
        "--index",
        str(index),
        "-o",
        str(output),
    ]
    if cluster is not None:
        command += ["--on-spark", cluster.master]
    environment = os.environ if cluster is None else cluster.environment
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> None:
    """Raises RuntimeError with what a command says that fails."""
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(said)


if __name__ == "__main__":
    main()
