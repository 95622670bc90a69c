"""This module is the command: Kindred beside other search systems, at any size.

    make bench-peers                                       what needs no outside data: 203 and 10,000 notes
    python -m benchmarks.peers --sizes 203,10000,100000 --papers papers.jsonl.gz --vectors papers.npy
    python -m benchmarks.peers --sizes 1000000 --papers papers.jsonl.gz --vectors papers.npy --system tantivy
    python -m benchmarks.peers --sizes '' --beir scifact --beir nfcorpus
    python -m benchmarks.peers --show                      the tables and the plot from what was measured

The other systems run in an environment of their own, --python; requirements.txt lists them.  What was measured is kept
row by row: a run that was stopped goes on where it was, and measures again only what changed (--again: all of it).
When it is done, or by --show, benchmarks/results/peers.json and the tables hold it.

Papers are JSON lines with id, title, description and topic; without them notes are made from a seed, and sizes that
were measured with papers stay as they are.  Vectors are float32 or float16 rows in the papers' order; without them the
default encoder makes them once, and .cache/peers keeps them.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from benchmarks.outside import add_beir, add_papers, add_sizes, add_vectors
from benchmarks.peers.arithmetic import Record
from benchmarks.peers.corpora import OWNER, Corpora, keeps
from benchmarks.peers.driver import Bench, StepFailed
from benchmarks.peers.records import CACHE, add, published, so_far
from benchmarks.peers.report import show
from benchmarks.peers.roster import KINDRED, SYSTEMS, System
from benchmarks.peers.task import Task
from benchmarks.results import ROOT

_DEPTH = 4  # of a record: tasks, name, rows, row
SIZES = (OWNER, 10_000)


def main() -> None:
    """Measure, keep each row, show all."""
    options = parser().parse_args()
    if not options.show:
        measure(options)
    show(so_far("peers", _DEPTH))
    published("peers")


def measure(options: argparse.Namespace) -> None:
    """Every task that is asked for."""
    bench = Bench(CACHE / "work", options.python, options.patience, options.search_seconds)
    chosen = [system for system in SYSTEMS if not options.system or system.name in options.system]
    if any(not system.is_ours for system in chosen) and not options.python.is_file():
        print(f"left out: every system but Kindred, because {options.python} is not there; type: make bench-peers")
        chosen = [system for system in chosen if system.is_ours]
    corpora = Corpora(CACHE / "tasks", options.papers, options.vectors)
    abouts = [task["about"] for task in so_far("peers", _DEPTH).get("tasks", {}).values()]
    known = [(about["notes"], about["source"]) for about in abouts]
    sizes = [size for size in options.sizes if not keeps(size, options.papers, known)]
    if not options.papers and any(size != OWNER for size in sizes):
        print("no --papers: the notes of every size but the owner's are made from a seed")
    tasks = [corpora.sized(size) for size in sizes]
    for folder in options.beir:
        task = corpora.public(folder)
        if task is None:
            print(f"left out: {folder}, which lacks corpus.jsonl, queries.jsonl or qrels/test.tsv")
        else:
            tasks.append(task)
    for task in tasks:
        measure_all(bench, chosen, task, options.again, options.keep)
    if tasks and not options.system:
        measure_rates(bench, tasks[-1], options.again)


def measure_all(bench: Bench, chosen: list[System], task: Task, again: bool, keep_indexes: bool) -> None:
    """Every row of a task that is not known yet; each is kept as soon as it is there."""
    about = task.about()
    name = task.folder.name
    for system in chosen:
        for row, mode in system.rows():
            key = bench.key(system, task, asked=True)
            known = so_far("peers", _DEPTH).get("tasks", {}).get(name, {}).get("rows", {}).get(row, {})
            if known.get("key") == key and not again:
                print(f"{name}: {row} is known")
                continue
            try:
                figures = bench.measured(system, task, mode)
            except StepFailed as failure:
                figures = {"key": key, "mode": mode, "failed": str(failure)}
            found = {"machine": _machine(), "tasks": {name: {"about": about, "rows": {row: figures}}}}
            add("peers", found, _DEPTH)
            print(f"{name}: {row}: {_short(figures)}", flush=True)
        if system is not KINDRED and not keep_indexes:
            bench.drop(system, task)


def measure_rates(bench: Bench, task: Task, again: bool) -> None:
    """Texts encoded in a second, once: Kindred's way and sentence-transformers' own."""
    plain = next(system for system in SYSTEMS if system.module == "plain_way")
    for name, system in (("Kindred", KINDRED), ("sentence-transformers", plain)):
        if (system.is_ours or bench.python.is_file()) and (
            again or name not in so_far("peers", _DEPTH).get("encoding", {})
        ):
            try:
                found = bench.step(system, task, "rate", one_core=False)
            except StepFailed as failure:
                print(f"texts a second: {name}: {failure}")
                continue
            rate = {key: found[key] for key in ("texts a second", "texts")}
            add("peers", {"encoding": {name: rate}}, _DEPTH)


def _machine() -> Record:
    return {"cores": os.cpu_count(), "processor": _processor(), "python": platform.python_version()}


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _short(figures: Record) -> str:
    if "failed" in figures:
        return str(figures["failed"])
    return (
        f"median {1000 * figures['median seconds']:.2f} ms, cold {figures['cold seconds']:.2f} s, "
        f"nDCG@10 {figures['ndcg@10']:.3f}, indexed in {figures['index seconds']:.1f} s"
    )


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sizes(options, SIZES)
    add_papers(options)
    add_vectors(options)
    add_beir(options)
    names = [system.name for system in SYSTEMS]
    options.add_argument("--system", action="append", choices=names, help="measure this one alone; may be repeated")
    options.add_argument("--python", type=Path, default=ROOT / ".venv-peers/bin/python", help="where the others are")
    options.add_argument("--patience", type=float, default=3600, metavar="S", help="seconds that one step may take")
    options.add_argument("--search-seconds", type=float, default=120, metavar="S", help="seconds of warm queries a row")
    options.add_argument("--again", action="store_true", help="measure what is known, too")
    options.add_argument("--keep", action="store_true", help="keep the indexes of all systems, not Kindred's alone")
    options.add_argument("--show", action="store_true", help="measure nothing, write tables and plot anew")
    return options


if __name__ == "__main__":
    main()
