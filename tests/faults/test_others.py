"""Others are at work at the same time: builders, readers, watchers, and clocks that go backwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest
from stage import ALL, HERE, NEW, OLD, Count, Desk, Leave, Stage, Step, expected, leftovers, mended, ours, state
from toys import write_jsonl

from indexer import Freshness, Index, IndexLockedError, build_index, open_index
from indexer.manifest import published_generation, read_manifest
from indexer.soundness import problems

PUBLISHES, READERS = (500, 4) if ALL else (40, 2)
PATIENCE = 240  # seconds after which something is broken, however busy the machine is
TEN_YEARS = 10 * 365 * 86_400


def test_of_two_builders_one_wins_and_the_other_says_so(stage: Stage, desks: Callable[[], Desk], count: Count) -> None:
    """The second one comes while the first waits for leave, once at each rename."""
    desk = desks()
    refused = 0

    def meanwhile(step: Step) -> Leave:
        nonlocal refused
        if (step.when, step.call) == ("before", "rename"):
            before = state(desk.folder)
            with pytest.raises(IndexLockedError, match=r"another kindred is writing the index in .*; wait until it is"):
                desk.build()
            assert state(desk.folder) == before
            refused += 1
        return "go"

    assert stage.run(desk, meanwhile).status == 0
    assert refused >= 4
    assert (state(desk.folder), leftovers(desk.folder)) == ("new", [])
    count("second builders", refused)


def test_the_lock_of_a_builder_that_died_holds_nobody_up(stage: Stage, desks: Callable[[], Desk]) -> None:
    desk = desks()
    stage.run(desk, lambda step: "kill" if step.call == "rename" else "go")
    assert (desk.folder / ".lock").is_file()
    mended(desk)


def test_a_generation_is_whole_at_every_step_or_gone(stage: Stage, desks: Callable[[], Desk]) -> None:
    """So that a reader who is late finds that it is gone, and takes the newest, instead of half of it."""
    desk, seen = desks(), set()

    def look(step: Step) -> Leave:
        if step.when == "after" and step.call in ("rename", "unlink", "rmdir"):
            for generation in desk.folder.glob("*-*"):
                if not generation.name.endswith(".part"):
                    index = Index(desk.folder, read_manifest(generation), generation)
                    assert problems(index) == []
                    seen.add(generation.name)
        return "go"

    assert stage.run(desk, look).status == 0
    assert {name[:6] for name in seen} == {"000001", "000002", "000003"}


def test_readers_in_several_processes_see_whole_generations_while_many_are_published(
    scratch: Path, count: Count
) -> None:
    desk = Desk(scratch / "busy")
    desk.write(OLD).build()
    right = json.dumps([expected()["old"], expected()["new"]])
    command = [sys.executable, str(HERE / "reader.py"), str(desk.folder)]
    readers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **ours()}
        )
        for _ in range(READERS)
    ]
    try:
        for reader in readers:
            assert reader.stdin is not None and reader.stdout is not None
            reader.stdin.write(right + "\n")
            reader.stdin.flush()
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "asking\n"
        for number in range(PUBLISHES):
            desk.write(NEW if number % 2 == 0 else OLD).build()
        told = [json.loads(reader.communicate(timeout=PATIENCE)[0]) for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    assert [reader["wrong"] for reader in told] == [[]] * READERS
    assert all(reader["right"] > 1 and reader["generations"] > 1 for reader in told)
    assert leftovers(desk.folder) == []
    count("answers", sum(reader["right"] for reader in told))


def test_a_clock_that_goes_back_ten_years_changes_nothing(stage: Stage, desks: Callable[[], Desk]) -> None:
    desk = desks()
    before = open_index(desk.folder)
    assert stage.run(desk, clock=-TEN_YEARS).status == 0
    after = open_index(desk.folder)
    assert after.manifest.created < before.manifest.created  # the clock did go back
    assert after.manifest.generation > before.manifest.generation
    assert not before.is_current() and after.is_current()
    assert (state(desk.folder), leftovers(desk.folder)) == ("new", [])
    desk.write(OLD)
    assert stage.run(desk, clock=TEN_YEARS).status == 0
    assert stage.run(desk.write(NEW), clock=-TEN_YEARS).status == 0
    assert (state(desk.folder), leftovers(desk.folder)) == ("new", [])


def test_files_of_the_future_and_files_whose_time_was_put_back_are_read_as_they_are(desks: Callable[[], Desk]) -> None:
    desk = desks()
    desk.build()
    kept = Freshness(open_index(desk.folder))
    for path in (desk.source, *desk.folder.rglob("*")):
        os.utime(path, (4_000_000_000, 4_000_000_000))  # the year 2096
    assert not kept.changes()
    assert open_index(desk.folder).is_current()
    # As long as before and of the same time: only the bytes tell, and the time of the inode, which nobody sets.
    other = [{**note, "title": note["title"].swapcase()} for note in NEW]
    assert desk.source.stat().st_size == write_jsonl(desk.root / "other.jsonl", other).stat().st_size
    write_jsonl(desk.source, other)
    os.utime(desk.source, (4_000_000_000, 4_000_000_000))
    assert len(kept.changes()) == len(NEW)
    desk.build()
    assert next(iter(open_index(desk.folder).notes())).title == other[0]["title"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_watch_that_is_stopped_in_the_middle_leaves_an_index_that_is_whole(
    number: signal.Signals, tmp_path: Path, count: Count
) -> None:
    chance = random.Random(number)  # noqa: S311 - no secret
    source, folder = tmp_path / "notes.jsonl", tmp_path / "index"
    command = [sys.executable, "-m", "search.cli", "index", str(source), "--index", str(folder), "--watch"]
    for turn in range(5 if ALL else 1):
        build_index([write_jsonl(source, OLD)], folder)
        write_jsonl(source, [*OLD, {**OLD[0], "id": f"more-{turn}"}])
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **ours()}
        ) as watch:
            guard = Timer(PATIENCE, watch.kill)
            guard.start()
            assert watch.stdout is not None and f"added: more-{turn}." in watch.stdout.readline()
            first = published_generation(folder)
            write_jsonl(source, NEW)
            # until it builds again, or has: a busy machine may not let us look meanwhile
            while not list(folder.glob("*.part")) and published_generation(folder) == first and watch.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.1))
            watch.send_signal(number)
            said = watch.communicate()[1]
            guard.cancel()
        assert watch.returncode == (0 if number == signal.SIGINT else -number)
        assert "Traceback" not in said
        if number == signal.SIGINT:
            assert leftovers(folder) == []  # it was told to stop, and had the time to tidy up
        index = open_index(folder)
        assert problems(index) == []
        assert len(index) in (len(NEW), len(OLD) + 1)
        build_index([source], folder)
        assert [note.id for note in open_index(folder).notes()] == [note["id"] for note in NEW]
        assert leftovers(folder) == []
        count("watches", 1)
