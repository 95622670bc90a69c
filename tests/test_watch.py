"""`kindred index --watch`: what it builds again for, what it survives, and how it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Event, Thread, Timer
from typing import Any

import pytest
from filelock import FileLock
from toys import ToyEncoder

from indexer import BuildReport, Encoder, build_index, when_changed
from search.watching import keep_up

PATIENCE = 240  # seconds after which something is broken, however busy the machine is


@contextmanager
def running(work: Callable[[Event], None]) -> Iterator[None]:
    """``work`` in a thread, stopped and joined in the end."""
    stop = Event()
    thread = Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)


@contextmanager
def changes_of(*paths: Path, exclude: Path) -> Iterator[Queue[str | None]]:
    """What ``when_changed`` yields."""
    found: Queue[str | None] = Queue()

    def work(stop: Event) -> None:
        for problem in when_changed(paths, [exclude], stop):
            found.put(problem)

    with running(work):
        assert found.get(timeout=PATIENCE) is None  # at once
        yield found


def save(path: Path, text: str) -> None:
    """Write a file as careful editors do: another that takes its place at once."""
    path.with_name(f".{path.name}.new").write_text(text, "utf-8")
    path.with_name(f".{path.name}.new").replace(path)


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    (tmp_path / "vault" / "insects").mkdir(parents=True)
    (tmp_path / "vault" / "insects" / "ant.md").write_text("# Ant\n\nSix legs.\n", "utf-8")
    (tmp_path / "vault" / "bee.md").write_text("# Bee\n\nHoney.\n", "utf-8")
    return tmp_path / "vault"


def test_a_folder_is_waited_for_while_it_is_gone(vault: Path) -> None:
    with changes_of(vault, exclude=vault / "index") as found:
        vault.rename(vault.with_name("elsewhere"))
        problem = found.get(timeout=PATIENCE)
        assert problem is not None and "there is no such file or folder" in problem
        vault.with_name("elsewhere").rename(vault)
        assert found.get(timeout=PATIENCE) is None
        save(vault / "insects" / "ant.md", "# Ant\n\nSix strong legs.\n")
        assert found.get(timeout=PATIENCE) is None


def test_a_named_file_is_followed_when_an_editor_puts_a_new_one_in_its_place(vault: Path) -> None:
    with changes_of(vault / "bee.md", exclude=vault / "index") as found:
        for text in ("# Bee\n\nWax.\n", "# Bee\n\nPollen.\n"):
            save(vault / "bee.md", text)
            assert found.get(timeout=PATIENCE) is None


def test_the_encoder_of_the_first_build_is_kept_for_all_others(vault: Path, tmp_path: Path) -> None:
    given: list[Encoder | None] = []
    reports: Queue[BuildReport] = Queue()
    toy = ToyEncoder()

    def build(ready: Encoder | None) -> BuildReport:
        given.append(ready)
        return build_index([vault], tmp_path / "index", encoder=ready or toy)

    with running(lambda stop: keep_up([vault], tmp_path / "index", build, reports.put, stop)):
        assert reports.get(timeout=PATIENCE).added == 2
        save(vault / "cat.md", "# Cat\n")
        assert reports.get(timeout=PATIENCE).changes.added == ("cat",)
    assert given == [None, toy]


class Command:
    """A running `kindred index --watch`."""

    def __init__(self, vault: Path) -> None:
        words = [sys.executable, "-m", "search.cli", "index", str(vault), "--index", str(vault / "index"), "--watch"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._guard = Timer(PATIENCE, self.process.kill)  # then a line that is waited for is ""
        self._guard.start()

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def complains(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def close(self) -> None:
        self._guard.cancel()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def command(vault: Path) -> Iterator[Any]:
    started = Command(vault)
    yield started
    started.close()


def test_it_builds_again_for_notes_alone_and_survives_what_cannot_be_read(command: Command, vault: Path) -> None:
    assert "2 added, 0 changed, 0 removed" in command.says()
    for name in (".bee.md.swp", "bee.md~", "4913", ".git/bee.md"):
        (vault / name).parent.mkdir(exist_ok=True)
        (vault / name).write_text("# Bee\n\nNoise.\n", "utf-8")
    save(vault / "cat.md", "# Cat\n\nFur.\n")
    assert (line := command.says()).endswith(" added: cat.\n") and "(generation 000002-" in line
    while "left out: hidden" not in command.complains():
        pass
    save(vault / "bee.md", '---\nid: "b\n---\n# Bee\n')
    complaint = command.complains()
    assert "The index stays as it was: " in complaint and "bee.md:3" in complaint
    save(vault / "bee.md", "# Bee\n\nWax.\n")
    (vault / "cat.md").unlink()
    lines = [command.says()]
    if "removed: cat" not in lines[0] or "changed: bee" not in lines[0]:  # the two may be seen apart
        lines.append(command.says())
    assert "changed: bee" in "".join(lines) and "removed: cat" in "".join(lines)


def test_it_waits_for_another_builder_and_stops_at_ctrl_c_without_a_complaint(command: Command, vault: Path) -> None:
    assert "2 added" in command.says()
    with FileLock(vault / "index" / ".lock"):
        save(vault / "cat.md", "# Cat\n\nFur.\n")
        while "Another kindred is writing this index; waiting for it." not in command.complains():
            pass
    assert command.says().endswith(" added: cat.\n")
    command.process.send_signal(signal.SIGINT)
    out, err = command.process.communicate(timeout=PATIENCE)
    assert (command.process.returncode, out) == (0, "") and "Traceback" not in err


def test_the_first_build_must_succeed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "search.cli", "index", str(tmp_path / "nothing"), "--watch"]
    environment = {**os.environ, "KINDRED_INDEX": str(tmp_path / "index")}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no such file or folder" in done.stderr
