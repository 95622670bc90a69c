"""This module measures one system on one task, each step in a process of its own, and takes up where it was stopped."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import indexer
import search
from benchmarks.peers.arithmetic import percentile
from benchmarks.peers.roster import System
from benchmarks.peers.task import K, Query, Task
from benchmarks.product import code_hash
from benchmarks.results import ROOT
from search.evaluate import ndcg_at

COLD_ROUNDS = 3
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON", "POLARS_MAX", "LANCE_CPU", "TOKIO_WORKER")


class StepFailed(Exception):
    """A step that ended with an error, or did not end in time; its text says which."""


class Bench:
    """Where things lie and how long is waited.  ``folder`` holds the indexes while they are measured."""

    def __init__(self, folder: Path, python: Path, patience: float, search_seconds: float) -> None:
        self.folder = folder
        self.python = python  # of the environment where the other systems are installed
        self.patience = patience  # seconds that one step may take
        self.search_seconds = search_seconds  # seconds that the warm queries of one row may take

    def index_of(self, system: System, task: Task) -> Path:
        """Where a system's index of a task lies."""
        return self.folder / task.folder.name / system.module / "index"

    def key(self, system: System, task: Task, asked: bool = False) -> str:
        """A hash of what an index is made of, and so of what its figures are true of: notes and queries, how the system
        is run, the versions it needs and, for Kindred, the indexer's code, with that of the search where it was
        ``asked``."""
        folder = Path(__file__).parent
        parts = [task.about()["key"], (folder / "systems" / f"{system.module}.py").read_text(encoding="utf-8")]
        if system.is_ours:
            parts.append(code_hash(indexer, search) if asked else code_hash(indexer))
        else:
            names = import_module(f"benchmarks.peers.systems.{system.module}").DISTRIBUTIONS
            lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
            parts += [line for line in lines if line.split("==")[0] in names]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def built(self, system: System, task: Task) -> dict[str, Any]:
        """What building the index took; the index is there afterwards.  Raises StepFailed."""
        index, key = self.index_of(system, task), self.key(system, task)
        stamp = index.with_name("build.json")
        if stamp.is_file():
            known: dict[str, Any] = json.loads(stamp.read_text(encoding="utf-8"))
            if known["key"] == key:
                return known
        shutil.rmtree(index.parent, ignore_errors=True)
        index.parent.mkdir(parents=True)
        figures = self.step(system, task, "build", str(index), one_core=False) | {"key": key}
        stamp.write_text(json.dumps(figures), encoding="utf-8")
        return figures

    def measured(self, system: System, task: Task, mode: str) -> dict[str, Any]:
        """The figures of one row.  Raises StepFailed."""
        built = self.built(system, task)
        index = str(self.index_of(system, task))
        colds = [self.step(system, task, "cold", index, mode) for _ in range(COLD_ROUNDS)]
        warm = self.step(system, task, "warm", index, mode, str(self.search_seconds))
        times = list(warm["seconds"].values())
        _, queries = task.queries()
        asked = [query for query in queries if query.id in warm["answers"]]
        if not asked:
            raise StepFailed(f"answered no query within {self.search_seconds:.0f} s")
        return {
            "key": self.key(system, task, asked=True),
            "mode": mode,
            "versions": built["versions"],
            "index seconds": built["seconds"],
            "seconds for vectors": built["seconds for vectors"],
            "index memory": built["memory"] + built["child memory"],
            "index bytes": built["bytes"],
            "cold seconds": statistics.median(cold["wall seconds"] for cold in colds),
            "open seconds": statistics.median(cold["open seconds"] for cold in colds),
            "median seconds": statistics.median(times),
            "p95 seconds": percentile(times, 0.95),
            "search memory": warm["memory"],
            "ndcg@10": mean_ndcg(asked, warm["answers"]),
            "asked": len(asked),
            "load": load(),
        }

    def step(self, system: System, task: Task, name: str, *arguments: str, one_core: bool = True) -> dict[str, Any]:
        """One step of ``worker`` with ``wall seconds``, from the start of its process to its answer."""
        python = sys.executable if system.is_ours else str(self.python)
        command = [python, "-m", "benchmarks.peers.worker", name, system.module, str(task.folder), *arguments]
        return run_step(command, self.patience, one_core)

    def drop(self, system: System, task: Task) -> None:
        """Remove an index."""
        shutil.rmtree(self.index_of(system, task).parent, ignore_errors=True)


def run_step(command: list[str], patience: float, one_core: bool) -> dict[str, Any]:
    """Run a process that prints one line of JSON last; see ``Bench.step``.  Raises StepFailed."""
    if one_core and hasattr(os, "sched_getaffinity"):
        command = [*_pinned(), *command]
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            command, env=environment(one_core), cwd=ROOT, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        raise StepFailed(f"was given up after {patience:.0f} s") from None
    wall = time.perf_counter() - begun
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise StepFailed(f"failed: {lines[-1][:200]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"wall seconds": wall}


def load() -> float:
    """How many processes wanted to run in the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def environment(one_core: bool) -> dict[str, str]:
    """Of a step: offline; one thread in every library that can be told so, where one core is all that it has."""
    threads = {f"{name}_NUM_THREADS": "1" for name in _THREADS[:5]} | {f"{name}_THREADS": "1" for name in _THREADS[5:]}
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **quiet, **(threads if one_core else {})}


def _pinned() -> list[str]:
    """The words before a command that keep it on one core, where the system has them."""
    found = shutil.which("taskset")
    return [found, "-c", str(max(os.sched_getaffinity(0)))] if found else []


def mean_ndcg(queries: list[Query], answers: Mapping[str, list[str]]) -> float:
    """nDCG@10 over ``queries``, by the judgements alone."""
    return math.fsum(ndcg_at(answers[query.id][:K], query.judged) for query in queries) / len(queries)
