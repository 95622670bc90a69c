"""This module measures an index on Milvus beside the same one in a folder: what it costs, and whether it agrees.

    python -m benchmarks.cluster
    python -m benchmarks.cluster --papers papers-100k.jsonl.gz --vectors papers.npy

The servers are those of the tests, each one process on this machine (see ``benchmarks.milvus``); none is a cluster.
The owner's notes are asked on both, ``--papers`` on the core in C++ alone: the other is for small collections.  Every
step is kept in .cache, and a run that was stopped goes on where it was; ``--again`` measures anew, ``--show`` only
writes the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.milvus import Kind, Server, program
from benchmarks.outside import add_papers, add_sizes, add_vectors
from benchmarks.peers.corpora import OWNER, Corpora
from benchmarks.peers.driver import load, run_step
from benchmarks.peers.records import CACHE, add, published, so_far
from benchmarks.peers.report import QUIET, size_text, time_text
from benchmarks.peers.task import ABOUT, NOTES, QUERIES, VECTORS, Task
from benchmarks.results import save, table

SIZES = (OWNER, 100_000)
_DEPTH = 2  # of a record: size, home
_PATIENCE = 3_600.0  # seconds of a step
_HOMES = {"folder": "a folder", "lite2": "Milvus's core (2.5.1)", "lite3": "its rewriting in Python (3.2.2)"}
_ASKED = {
    "hybrid": "a search",
    "lexical": "by words alone",
    "semantic": "by meaning alone",
    "filtered": "with a topic demanded",
    "related": "related notes",
}
_BESIDE = 8.0  # seconds for which a client asks before and after a replacement
_FOUND = "found.json"  # the ids that were found, by kind and query
_REPLACED = 50  # in so many notes one is gone from the next generation, and 60 at least: all are sent to a new shelf


def main() -> None:
    """Measure, keep each step, show all."""
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else servers and steps would outlive it
    if not options.show:
        corpora = Corpora(CACHE / "tasks", options.papers, options.vectors)
        for size in options.sizes if options.papers else (OWNER,):
            for home in _HOMES:
                if home == "lite3" and size > OWNER:
                    continue
                if home != "folder" and program(home) is None:  # type: ignore[arg-type]  # a key of _HOMES
                    print(f"{_HOMES[home]} is not installed: type make .venv-milvus{home[-1]}/done")
                    continue
                _measure(corpora.sized(size), size, home, options.again)
        if not options.papers:
            print("no --papers: measured with the owner's notes alone")
    record = so_far("cluster", _DEPTH)
    save("cluster", record, cluster_text(record))
    published("cluster")


def _measure(task: Task, size: int, home: str, again: bool) -> None:
    """Every step of one home that is not known yet."""
    folder = _folder(task, home)
    steps = ["load", "ask", "change", *(["replace"] if home != "folder" else [])]
    known = {} if again else so_far("cluster", _DEPTH).get(str(size), {}).get(home, {})
    if home == "folder" and not (folder / _FOUND).is_file():
        known = {}  # what engines are compared with is not here
    if all(step in known for step in steps):
        return
    if "replace" in known:
        known = {}  # the engine holds the next generation
    if "load" not in known and (again or (folder / "loaded").is_file()):
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["KINDRED_CACHE"] = str(folder / "cache")
    server: Server | None = None
    try:
        if home in get_args(Kind):
            server = _server(home, folder)
        place = f"{server.address}/bench" if server else str(folder / "index")
        for step in steps:
            if step in known:
                continue
            found = _replaced(task, place) if step == "replace" else _step(step, task, place)
            if step == "ask":
                ids = found.pop("found")
                (folder / _FOUND).write_text(json.dumps(ids), encoding="utf-8")
                if server:
                    own = json.loads((_folder(task, "folder") / _FOUND).read_text(encoding="utf-8"))
                    found["agreement"] = {kind: agreement(own[kind], ids[kind]) for kind in own}
            if step == "load":
                (folder / "loaded").touch()
                kept = folder / "engine" if server else folder / "index"
                found["bytes"] = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file())
            if server:
                found["server memory"] = server.memory()
            known = {**known, step: found, "load average": load()}
            add("cluster", {str(size): {home: known}}, _DEPTH)
            print(f"{size:,} notes, {_HOMES[home]}: {step} done", flush=True)
    finally:
        if server:
            server.kill()


def _folder(task: Task, home: str) -> Path:
    return CACHE / "cluster" / f"{task.folder.name}-{home}"


def _server(kind: str, folder: Path) -> Server:
    """A server on the port that it had before, because the builder's cache goes by its address."""
    port = folder / "port"
    server = Server(kind, folder / "engine", int(port.read_text()) if port.is_file() else None)  # type: ignore[arg-type]
    port.write_text(str(server.port))
    return server


def _command(step: str, task: Task, place: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.cluster_steps", step, str(task.folder), place]


def _step(step: str, task: Task, place: str) -> dict[str, Any]:
    return run_step(_command(step, task, place), _PATIENCE, one_core=False)


def _replaced(task: Task, place: str) -> dict[str, Any]:
    """What a client saw that kept asking while all notes but a few were sent to a new shelf, and published."""
    client = subprocess.Popen(_command("keep", task, place), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(_BESIDE)
        loaded = _step("load", _next(task), place)
        time.sleep(_BESIDE)
        said, _ = client.communicate()  # which ends its input
    finally:
        client.kill()
    seen: dict[str, Any] = json.loads(said.splitlines()[-1])
    return {**seen, "seconds": loaded["seconds"]}


def _next(task: Task) -> Task:
    """The notes of the next generation: the last ones are gone."""
    after = replace(task, folder=task.folder.with_name(f"{task.folder.name}-next"))
    after.folder.mkdir(exist_ok=True)
    lines = (task.folder / NOTES).read_bytes().splitlines(keepends=True)
    kept = len(lines) - max(60, len(lines) // _REPLACED)
    (after.folder / NOTES).write_bytes(b"".join(lines[:kept]))
    np.save(after.folder / VECTORS, task.vectors()[:kept])
    for name in (QUERIES, ABOUT):
        shutil.copyfile(task.folder / name, after.folder / name)
    return after


def cluster_text(record: Mapping[str, Any]) -> str:
    """The tables, and what a client saw of a replacement."""
    parts = []
    for size in sorted(map(int, record)):
        homes = {home: record[str(size)][home] for home in _HOMES if home in record[str(size)]}
        parts.append(table([f"{size:,} notes", *(_HOMES[home] for home in homes)], _rows(homes)))
    for size in sorted(map(int, record)):
        for home, figures in record[str(size)].items():
            if "replace" in figures:
                seen = figures["replace"]
                parts.append(
                    f"While {size:,} notes were replaced by a new generation on {_HOMES[home]}, a client asked "
                    f"{seen['asked']:,} times, of {seen['generations']} generations: {seen['failed']} answers failed, "
                    f"{seen['mixed']} were mixed, and the longest took {time_text(seen['longest'])}."
                )
    busy = [f"{int(size):,}" for size, homes in record.items() if max(map(_busy, homes.values())) > QUIET]
    parts += [f"Measured beside other work: {', '.join(busy)} notes."] if busy else []
    return "\n\n".join(parts)


def _busy(figures: Mapping[str, Any]) -> float:
    return float(figures.get("load average", 0))


def _rows(homes: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    def cells(name: str, show: Any) -> list[str]:
        shown = []
        for home, figures in homes.items():
            try:
                shown.append(show(home, figures))
            except KeyError:  # not measured, or not asked there
                shown.append("–")
        return [name, *shown]

    rows = [
        cells("index, from given vectors", lambda _, f: time_text(f["load"]["seconds"])),
        cells("of that sent to the engine", lambda _, f: time_text(f["load"]["sent"]) if f["load"]["sent"] else "–"),
        cells("a changed note", lambda _, f: time_text(f["change"]["change"])),
        cells("on disk", lambda _, f: size_text(f["load"]["bytes"])),
        cells("memory of `kindred index`", lambda _, f: size_text(f["load"]["memory"])),
        cells("memory of a searcher", lambda _, f: size_text(f["ask"]["memory"])),
        cells("memory of the server", lambda _, f: size_text(f["ask"]["server memory"])),
    ]
    for kind, name in _ASKED.items():
        rows.append(
            cells(
                f"{name}, median (95 of 100 within)",
                lambda _, f, kind=kind: " ".join(
                    [
                        time_text(f["ask"]["seconds"][kind]["p50"]),
                        f"({time_text(f['ask']['seconds'][kind]['p95'])})",
                    ]
                ),
            )
        )
    for kind in ("hybrid", "related"):
        rows.append(
            cells(
                f"{_ASKED[kind]}: first note, first ten as in a folder",
                lambda _, f, kind=kind: _agreement_text(f["ask"]["agreement"][kind]),
            )
        )
        if any("ndcg@10" in figures.get("ask", {}) for figures in homes.values()):
            rows.append(cells(f"{_ASKED[kind]}: nDCG@10", lambda _, f, kind=kind: f"{f['ask']['ndcg@10'][kind]:.4f}"))
    return rows


def agreement(own: Mapping[str, list[str]], found: Mapping[str, list[str]]) -> dict[str, int]:
    """Of so many queries, how many have the same "first" note, and "shared" ids of "ids"."""
    return {
        "queries": len(own),
        "first": sum(own[query][:1] == found[query][:1] for query in own),
        "ids": sum(map(len, own.values())),
        "shared": sum(len(set(own[query]) & set(found[query])) for query in own),
    }


def _agreement_text(found: Mapping[str, int]) -> str:
    return f"{found['first']} of {found['queries']}, {100 * found['shared'] / found['ids']:.1f} %"


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_papers(options)
    add_vectors(options)
    add_sizes(options, SIZES)
    options.add_argument("--again", action="store_true", help="measure what is known as well")
    options.add_argument("--show", action="store_true", help="only write the tables")
    return options


if __name__ == "__main__":
    main()
