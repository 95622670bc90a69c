"""This module does one step of one system in a process of its own and prints what it measured, one line of JSON.

    python -m benchmarks.peers.worker build MODULE TASK FOLDER
    python -m benchmarks.peers.worker cold  MODULE TASK FOLDER MODE
    python -m benchmarks.peers.worker warm  MODULE TASK FOLDER MODE SECONDS
    python -m benchmarks.peers.worker rate  MODULE TASK

A module of ``systems`` has ``build(task, folder)``, which writes an index into an empty folder and says how many of its
seconds went into vectors, and ``opened(folder, mode)``, which opens it and gives a function from a query to the ids of
its ``K`` best notes; and where its documentation has another way for programs that ask much, ``lasting`` is that.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.peers.task import Task, model_folder

ROUNDS = 3  # each query is asked so often, where there is time; its least counts
_WARM_UP_SECONDS = 20.0
_RATE_TEXTS = 256


def build(system: Any, task: Task, folder: Path) -> dict[str, Any]:
    """Index the notes of ``task``."""
    folder.mkdir(parents=True)
    begun = time.perf_counter()
    apart = system.build(task, folder)
    whole = time.perf_counter() - begun
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"seconds": whole - apart, "seconds for vectors": apart, "bytes": size, "versions": versions(system)}


def cold(system: Any, task: Task, folder: Path, mode: str) -> dict[str, Any]:
    """Open an index and answer the first query that is measured."""
    _, queries = task.queries()
    begun = time.perf_counter()
    ask = system.opened(folder, mode)
    opened = time.perf_counter()
    ask(queries[0].text)
    return {"open seconds": opened - begun, "first seconds": time.perf_counter() - opened}


def warm(system: Any, task: Task, folder: Path, mode: str, seconds: float) -> dict[str, Any]:
    """Ask everything, ``ROUNDS`` times or until ``seconds`` are over, but each query that was reached at least once."""
    warming, queries = task.queries()
    ask: Callable[[str], list[str]] = getattr(system, "lasting", system.opened)(folder, mode)
    until = time.perf_counter() + _WARM_UP_SECONDS
    for query in warming:
        ask(query.text)
        if time.perf_counter() > until:
            break
    answers: dict[str, list[str]] = {}
    times: dict[str, float] = {}
    until = time.perf_counter() + seconds
    for _ in range(ROUNDS):
        for query in queries:
            if time.perf_counter() > until:
                break
            begun = time.perf_counter()
            found = ask(query.text)
            spent = time.perf_counter() - begun
            answers[query.id] = found
            times[query.id] = min(spent, times.get(query.id, spent))
    return {"answers": answers, "seconds": times}


def rate(system: Any, task: Task) -> dict[str, Any]:
    """How many of the notes' texts are encoded in a second, on all cores: by Kindred, or as sentence-transformers does
    by itself."""
    notes = list(task.notes())[:_RATE_TEXTS]
    texts = [note.encoded for note in notes]
    encode: Any
    if system.__name__.endswith("kindred"):
        encode = import_module("indexer").load_encoder().encode_documents
    else:
        model = import_module("sentence_transformers").SentenceTransformer(model_folder(), device="cpu")
        encode = model.encode
    encode(texts[:8])
    best = min(_seconds(lambda: encode(texts)) for _ in range(2))
    return {"texts a second": len(texts) / best, "texts": len(texts), "versions": versions(system)}


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def versions(system: Any) -> dict[str, str]:
    """What a system is made of, by name."""
    found: dict[str, str] = system.version() if hasattr(system, "version") else {}
    return found | {name: version(name) for name in system.DISTRIBUTIONS}


def peak_memory() -> dict[str, int]:
    """The most bytes that this process held at once (VmHWM, which counts the pages of mapped files that were read),
    and the most that a child of it did."""
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    status = Path("/proc/self/status")
    if status.is_file():  # exact: what a process inherits from the one that started it is not counted
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        own = int(lines["VmHWM"].split()[0]) * 1024
    return {"memory": own, "child memory": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit}


def main() -> None:
    """One step, named by the arguments."""
    step, name, task, *rest = sys.argv[1:]
    system = import_module(f"benchmarks.peers.systems.{name}")
    if step == "build":
        found = build(system, Task(Path(task)), Path(rest[0]))
    elif step == "cold":
        found = cold(system, Task(Path(task)), Path(rest[0]), rest[1])
    elif step == "warm":
        found = warm(system, Task(Path(task)), Path(rest[0]), rest[1], float(rest[2]))
    else:
        found = rate(system, Task(Path(task)))
    print(json.dumps(found | peak_memory()), flush=True)
    # What a library does while Python ends (joining threads, collecting) is not what is measured.
    os._exit(0)


if __name__ == "__main__":
    main()
