"""The lists of all notes on a cluster of Spark: those of one process, whoever dies in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from in_process import in_process

from benchmarks.standalone import Cluster, missing, until
from indexer import open_index, open_previous
from search.cli import main
from search.lists import written
from search.neighbours import all_related
from search.spark.job import read_folder, relate_all
from search.spark.parts import in_order

ROOT = Path(__file__).parent.parent.parent

if missing() and os.environ.get("KINDRED_CLUSTER") != "required":
    pytest.skip(f"there is no {missing()} here: nothing is made on Spark", allow_module_level=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster


def begun(where: Cluster | str, *words: object) -> subprocess.Popen[str]:
    """The command, at a cluster or another master."""
    master, environment = (where, os.environ) if isinstance(where, str) else (where.master, where.environment)
    command = [sys.executable, "-m", "search.cli", "related", "--all", *map(str, words), "--on-spark", master]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What a command says that ends well."""
    out, said = process.communicate()
    assert (process.returncode, out) == (0, ""), said
    return said


def alone(index: Path, output: Path, *words: str) -> bytes:
    """What one process writes."""
    done = CliRunner().invoke(main, ["related", "--all", "--index", str(index), "-o", str(output), *words])
    assert done.exit_code == 0, done.stderr
    return output.read_bytes()


def parts(folder: Path) -> set[tuple[str, int, int]]:
    """The parts that are there, each with what changes when it is written again."""
    return {(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.glob("part-*")}


def test_a_worker_killed_in_the_middle_is_done_without_and_what_a_stopped_command_made_is_taken_over(
    cluster: Cluster, owner_index: Path, tmp_path: Path
) -> None:
    output, making = tmp_path / "related.parquet", tmp_path / "related.parquet.parts"
    with pytest.raises(KeyboardInterrupt):  # after the candidates of nine parts, and the lists of two
        relate_all(owner_index, 10, output, None, False, in_process(stops_after=11))
    before = parts(making)
    waits = ("minRegisteredResourcesRatio=1", "maxRegisteredResourcesWaitingTime=1h")  # until both workers are there
    settings = [word for wait in waits for word in ("--spark-conf", f"spark.scheduler.{wait}")]
    process = begun(cluster, "--index", owner_index, "-o", output, *settings)
    first = cluster.folder / "worker-0"
    until(
        lambda: any("Running task" in log.read_text("utf-8") for log in first.glob("*/*/stderr")), "work for a worker"
    )
    cluster.workers[0].kill()
    cluster.workers[0].wait()
    assert ended(process).endswith(f"Wrote the lists of 203 notes to {output}.\n")
    assert len(before) == 2 and before <= parts(output)  # neither written again nor touched
    assert sorted(path.name for path in tmp_path.iterdir()) == ["related.parquet"]
    generation = open_index(owner_index).manifest.generation
    made = "".join(written(in_order(read_folder(output)), generation, "json"))
    assert made.encode() == alone(owner_index, tmp_path / "related.json")


def test_lists_keep_to_those_in_their_file_as_they_do_in_one_process(grown: Path, tmp_path: Path) -> None:
    older = open_previous(open_index(grown))
    assert older is not None
    before = all_related(older)
    for name in ("here.json", "there.json"):
        (tmp_path / name).write_text("".join(written(before.items(), "000001-00000000", "json")), "utf-8")
    said = ended(begun("local[2]", "--index", grown, "-o", tmp_path / "there.json"))
    expected = alone(grown, tmp_path / "here.json")
    assert (tmp_path / "there.json").read_bytes() == expected
    assert expected != alone(grown, tmp_path / "here.json", "--fresh")
    assert " changed.\n" in said


def test_what_fails_on_a_worker_is_told_in_a_sentence_and_leaves_the_file_as_it_was(
    toy_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "related.json"
    file.write_text('{"generation": "1", "notes": {\nmine\n}}\n', "utf-8")
    process = begun("local[1]", "--index", toy_folder, "-o", file)
    out, said = process.communicate()
    assert (process.returncode, out) == (1, "")
    start = f"kindred: a worker says: {file}: is no file of related notes; delete it or name another; Spark's log is "
    assert said.startswith(start) and said.count("\n") == 1
    log = Path(said.removeprefix(start).rstrip())
    assert "Traceback" in log.read_text("utf-8")
    log.unlink()
    assert file.read_text("utf-8").split("\n")[1] == "mine"


def test_a_master_that_is_none_is_told_in_a_sentence(toy_folder: Path, tmp_path: Path) -> None:
    process = begun("nowhere", "--index", toy_folder, "-o", tmp_path / "related.json")
    out, said = process.communicate()
    assert (process.returncode, out, said.count("\n")) == (1, "", 1)
    assert "no master that Spark knows" in said
    Path(said.rstrip().rpartition(" ")[2]).unlink()
