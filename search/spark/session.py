"""This module talks to Spark: begins a session at a master, has work done there, and says in a sentence what failed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from os import environ
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from indexer import SparkError
from search.spark.work import TOLD

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext

_LOOK = 0.2  # seconds between two looks at how far it is
# Unless they are set otherwise: no page about the work is served to the network.
_QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
# What stands in an error -> what to say of it
_KNOWN = {
    r"No module named '([\w.]+)'": "the workers' Python lacks {0}; install there what is installed here, Kindred with "
    "its extra cluster.",
    r"PYTHON_VERSION_MISMATCH": "the workers run another Python than this one; name one of the same version in "
    "PYSPARK_PYTHON.",
    r"Cannot run program \"([^\"]+)\"": "the workers have no {0}; name their Python in PYSPARK_PYTHON.",
    r"Could not parse Master URL|Master must either be": "this is no master that Spark knows; "
    "write local[2], spark://HOST:7077, yarn or k8s://https://HOST:PORT.",
    r"JAVA_GATEWAY_EXITED|JAVA_HOME": "Spark did not start; it wants Java 17 or newer, on the PATH or in JAVA_HOME.",
    r"All masters are unresponsive|stopped SparkContext|ctive SparkContext": "the master does not answer.",
}


@contextmanager
def session(master: str, settings: Mapping[str, str]) -> Iterator[SparkContext]:
    """A session at ``master``, with these settings of Spark; what Spark logs goes to a file, which is named in the
    error where there is one.  Raises SparkError where there is no session to be had, or where its work fails."""
    try:
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]
        from pyspark import SparkConf, SparkContext
        from pyspark.errors import PySparkException
        from pyspark.java_gateway import launch_gateway
    except ModuleNotFoundError as error:
        from indexer import pip_line

        raise SparkError(f"--on-spark needs {error.name}; type: {pip_line('pyspark', 'pyarrow')}") from error
    ours = dict(_QUIET)
    if master.startswith("local"):
        here = str(Path(__file__).parent.parent.parent)  # the workers run this very code
        ours |= {**_LOOPBACK, "spark.executorEnv.PYTHONPATH": here}
    conf = SparkConf(loadDefaults=False).setAppName("kindred related").setMaster(master)
    conf.setAll(list({**ours, **settings}.items()))
    handle, name = mkstemp(prefix="kindred-spark-", suffix=".log")
    log = Path(name)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            gateway = launch_gateway(conf, {"stderr": file})  # type: ignore[no-untyped-call]
        with catch_warnings():
            simplefilter("ignore", FutureWarning)  # pandas 3, which Spark's own tables have not learned
            context = SparkContext(conf=conf, gateway=gateway)
        if "PYSPARK_PYTHON" not in environ:
            context.pythonExec = settings.get("spark.pyspark.python", sys.executable)
        try:
            yield context
        finally:
            context.stop()
    except (Py4JError, PySparkException) as error:
        sentence = _sentence(f"{error}\n{log.read_text('utf-8', errors='replace')}").rstrip(".")
        raise SparkError(f"{sentence}; Spark's log is {log}") from error
    except BaseException:
        log.unlink()
        raise
    log.unlink(missing_ok=True)


def results(work: RDD[Any], parts: int, progress: Callable[[int], None]) -> list[Any]:
    """What a session makes of ``parts`` parts, in their order; tells how many are done.  Raises what Spark raises."""
    context = work.context
    tracker = context.statusTracker()
    with ThreadPoolExecutor(1) as pool:
        try:
            future = pool.submit(work.collect)
            while not wait([future], _LOOK).done:
                stages = [stage for job in tracker.getActiveJobsIds() for stage in _stages(tracker, job)]
                if stages:
                    progress(min(_done(tracker, max(stages)), parts))
            return future.result()
        except KeyboardInterrupt:
            context.cancelAllJobs()
            raise


def _stages(tracker: Any, job: int) -> list[int]:
    info = tracker.getJobInfo(job)
    return [] if info is None else list(info.stageIds)


def _done(tracker: Any, stage: int) -> int:
    info = tracker.getStageInfo(stage)
    return 0 if info is None else int(info.numCompletedTasks)


def _sentence(text: str) -> str:
    """What to tell people of an error of Spark, from its text and the log."""
    told = re.search(re.escape(TOLD) + "(.+)", text)
    if told:
        return f"a worker says: {told[1]}"
    for pattern, sentence in _KNOWN.items():
        found = re.search(pattern, text)
        if found:
            return sentence.format(*found.groups())
    return next((line for line in text.splitlines() if line.strip()), "Spark failed")
