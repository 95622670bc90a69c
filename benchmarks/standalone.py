"""This module is a cluster of Spark on this machine: a master and its workers, processes of their own, on loopback."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from benchmarks.results import ROOT

_PATIENCE = 600.0  # seconds until something that never comes is given up


def missing() -> str:
    """What a cluster lacks on this machine, "" where nothing."""
    lacks = [name for name in ("pyspark", "pyarrow") if find_spec(name) is None]
    java = shutil.which("java") or os.environ.get("JAVA_HOME")
    return " and ".join([*lacks, *([] if java else ["Java"])])


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    given_up = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > given_up:
            raise TimeoutError(f"{what} never came")
        time.sleep(0.05)


class Cluster:
    """A master and ``workers`` of one core each; to be used as a context.  ``environment`` is for its clients."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.folder = folder
        self._count = workers
        self._ends = ExitStack()
        self.environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(ROOT)}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.master = ""

    def __enter__(self) -> Cluster:
        spec = find_spec("pyspark")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("pyspark")
        self._home = Path(spec.origin).parent
        log, _ = self._begin("master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        until(lambda: self._found(log, r"Starting Spark master at (\S+)"), "the master")
        self.master = self._found(log, r"Starting Spark master at (\S+)")
        logs = [self._worker(f"worker-{number}") for number in range(self._count)]
        until(lambda: all(self._found(log, "(Successfully registered)") for log in logs), "the workers")
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def _worker(self, name: str) -> Path:
        words = ["--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "1g"]
        log, worker = self._begin(name, "worker.Worker", *words, "--work-dir", str(self.folder / name), self.master)
        self.workers.append(worker)
        return log

    def _begin(self, name: str, kind: str, *words: str) -> tuple[Path, subprocess.Popen[bytes]]:
        log = self.folder / f"{name}.log"
        command = [str(self._home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", *words]
        with log.open("wb") as file:
            environment = {**self.environment, "SPARK_HOME": str(self._home)}
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        self._ends.callback(_end, process)
        return log, process

    @staticmethod
    def _found(log: Path, pattern: str) -> str:
        found = re.search(pattern, log.read_text("utf-8", errors="replace"))
        return found[1] if found else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
