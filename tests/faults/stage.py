"""The stage on which builds are stopped, refused and watched: a desk with notes and an index, and the builder's hands.

``Stage.run`` has a child build an index.  ``shim.c`` stands between it and the C library, so that every call that
changes names or keeps data can be counted, refused, or be the last; nothing of ours is changed for that.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from toys import NOTES, ToyEncoder, tiny_bert, write_jsonl

import indexer
from indexer import Index, IndexNotFoundError, build_index, open_index
from indexer.encoders import NumpyEncoder
from indexer.soundness import problems
from search import Searcher

HERE = Path(__file__).parent
OLDEST, OLD, NEW = NOTES[1:4], NOTES, [*NOTES[3:], NOTES[0]]
# Words, meaning, and what only Whoosh decides.
QUERIES = ("reward policy", "proof search memory", '"without a critic"', "proo*", "tag:rl")

ALL = os.environ.get("KINDRED_FAULTS") == "all"  # `make faults` tries everything and keeps the figures
Count = Callable[[str, int], None]  # takes down that so many faults of a kind, a key of ROWS, were survived
# What is counted, with its row of the README's table: what was tried, and what became of it.
_EITHER, _OLD = "leave the old index or the new one", "leave the old index, nothing else, and a sentence"
ROWS = {
    "kills at a step": ("SIGKILL before and after every call of a build that names or keeps a file", _EITHER),
    "kills at a random moment": ("SIGKILL at a random moment of a build", _EITHER),
    "refusals": ("a disk that is full from one of these calls on", _OLD),
    "small disks": ("a small disk without room, and a limit on the size of files", _OLD),
    "power cuts": ("the states in which a power cut may leave the disk", "hold the old index or the new one"),
    "second builders": ("another build while one is at work", "turned away"),
    "answers": ("answers to four processes while 500 generations are published", "are those of one generation"),
    "watches": ("`kindred index --watch` stopped in the middle (Ctrl+C, SIGTERM, SIGKILL)", _EITHER),
    "flips": ("a flipped byte in any file of an index", "found by `kindred check`"),
    "damaged files": ("a file cut, grown, missing, extra or exchanged", "found, and put right by `kindred index`"),
    "damaged searches": ("searches and lists in an index with a flipped byte", "right, or refused in a sentence"),
}
Leave = Literal["go", "kill", "refuse"]


@dataclass(frozen=True)
class Step:
    """A call of the builder's, announced before or after it is done."""

    when: str
    call: str  # open (to write), mkdir, rename, link, unlink, rmdir, truncate, fsync
    path: str
    second: str = ""


@dataclass
class Outcome:
    """How a build ended: its exit status (negative: the signal), what it said, and the steps it announced."""

    status: int = 0
    said: str = ""
    steps: list[Step] = field(default_factory=list)


def tiny_encoder(folder: Path) -> NumpyEncoder:
    """The encoder of a model in the new folder ``folder``, which commands find by themselves once an index knows it."""
    return NumpyEncoder(str(folder), tiny_bert(folder))


def kindred(*words: object) -> subprocess.CompletedProcess[str]:
    """A command, as it is typed."""
    command = [sys.executable, "-m", "search.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ours()})


def ours() -> dict[str, str]:
    """What lets another Python import what this one does: the packages, and the tests' own modules."""
    places = [Path(indexer.__file__).parent.parent, HERE.parent, HERE]
    return {"PYTHONPATH": os.pathsep.join(map(str, places))}


def go(step: Step) -> Leave:
    """Leave for every step."""
    return "go"


class Stage:
    """A process that forks builders; see ``builder.py``."""

    def __init__(self, scratch: Path) -> None:
        shim = scratch / "shim.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(HERE / "shim.c"), "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
        announced, announce = os.pipe()
        leave, self._leave = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "builder.py"), str(announce), str(leave)],
            stdin=subprocess.PIPE,
            text=True,
            pass_fds=(announce, leave),
            env={**os.environ, **ours(), "LD_PRELOAD": str(shim), "OPENBLAS_NUM_THREADS": "1"},
        )
        os.close(announce)
        os.close(leave)
        self._announced = os.fdopen(announced, encoding="utf-8")
        self._ask(source=str(write_jsonl(scratch / "notes.jsonl", OLD)), folder=str(scratch / "warm"))

    def run(
        self,
        desk: Desk,
        decide: Callable[[Step], Leave] | None = None,
        seconds: float | None = None,
        limit: int | None = None,
        clock: int = 0,
    ) -> Outcome:
        """Build the index of a desk in a child.

        ``decide`` is asked before and after every step; without it the child runs freely, and is killed after
        ``seconds`` where they are given.  ``limit`` is the greatest size of a file, ``clock`` shifts the time of day.
        """
        self._ask(
            root=str(desk.root), source=str(desk.source), folder=str(desk.folder), announce=decide is not None,
            seconds=seconds, limit=limit, clock=clock,
        )  # fmt: skip
        outcome, pid = Outcome(), 0
        for line in self._announced:
            what, *rest = line.rstrip("\n").split("\t")
            if what == "pid":
                pid = int(rest[0])
            elif what == "exit":
                outcome.status = int(rest[0])
                return outcome
            elif what in ("refused", "failed"):
                outcome.said = rest[0]
            else:
                step = Step(what, *rest)
                outcome.steps.append(step)
                try:
                    answer = "go" if decide is None else decide(step)
                except BaseException:
                    os.kill(pid, signal.SIGKILL)  # a test that failed leaves nobody waiting
                    while not next(self._announced).startswith("exit"):
                        pass
                    raise
                if answer == "kill":
                    os.kill(pid, signal.SIGKILL)  # it waits, so the number is still its own
                else:
                    os.write(self._leave, answer[0].replace("r", "f").encode())
        raise RuntimeError("the builder is gone")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._announced.close()
        os.close(self._leave)

    def _ask(self, **asked: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()


@dataclass
class Desk:
    """A file of notes, and an index of them, in a folder of their own."""

    root: Path

    @property
    def source(self) -> Path:
        return self.root / "notes.jsonl"

    @property
    def folder(self) -> Path:
        return self.root / "deep" / "index"

    def write(self, notes: list[dict[str, Any]]) -> Desk:
        write_jsonl(self.source, notes)
        return self

    def write_new(self) -> Desk:
        return self.write(NEW)

    def build(self) -> None:
        """Build here and now, undisturbed."""
        build_index([self.source], self.folder, encoder=ToyEncoder())

    def copy(self, root: Path) -> Desk:
        shutil.copytree(self.root, root, copy_function=os.link)  # nothing that is published is ever written to
        (root / "notes.jsonl").unlink()
        shutil.copyfile(self.source, root / "notes.jsonl")
        return Desk(root)


def settled(root: Path) -> Desk:
    """A desk with two generations of an index, and notes that are those of neither: the next build publishes a third
    and drops the first."""
    desk = Desk(root)
    for notes in (OLDEST, OLD):
        desk.write(notes).build()
    return desk.write(NEW)


def answers(index: Index) -> list[Any]:
    """What an index holds and answers."""
    searcher = Searcher(index, ToyEncoder())
    found = [[(hit.note.id, hit.score) for hit in searcher.search(query)] for query in QUERIES]
    return [[note.as_dict() for note in index.notes()], found]


@cache
def expected() -> dict[str, Any]:
    """The answers of undisturbed indexes of the old notes and of the new ones."""
    import tempfile

    states = {}
    for name, notes in (("old", OLD), ("new", NEW)):
        with tempfile.TemporaryDirectory() as root:
            desk = Desk(Path(root)).write(notes)
            desk.build()
            states[name] = answers(open_index(desk.folder))
    return states


def state(folder: Path) -> str:
    """Whether an index is the old or the new one, sound and with all of its answers; "none" where there is none.
    Whatever else it is is an error."""
    try:
        index = open_index(folder)
    except IndexNotFoundError:
        return "none"
    assert problems(index) == []
    found = answers(index)
    return next(name for name, values in expected().items() if values == found)


def leftovers(folder: Path) -> list[str]:
    """What stands in an index's folder and belongs to no build that was finished."""
    names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    allowed = {".lock"}
    if "manifest.json" in names:
        current = open_index(folder).manifest.generation
        older = [name for name in names if name < current and (folder / name).is_dir()]
        allowed |= {"manifest.json", current, *older[-1:]}
    return [name for name in names if name not in allowed]


def mended(desk: Desk) -> None:
    """The next build makes the new index, whatever happened, and leaves nothing over."""
    desk.build()
    assert state(desk.folder) == "new"
    assert leftovers(desk.folder) == []
