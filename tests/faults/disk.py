"""A disk that remembers what was synced: it hears a build and says how a power cut could have left the files.

The model is ALICE's (Pillai et al., All File Systems Are Not Created Equal, OSDI 2014) at its weakest:

- A name that is made, moved or removed lasts once its folder is synced.  Until then each such change may have reached
  the disk or not, whatever was done before or after it; a rename is one change.
- The bytes of a file last once the file is synced after it was opened for writing.  Until then it may be whole, cut in
  half, empty, or as long as it was and all zeros, under whatever name it reached.
- Syncing a file says nothing of its name, syncing a folder nothing of the bytes in it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from stage import Leave, Step

# Of so many changes that are not synced every subset is lost; of more: none, all, each alone, all but each, some.
_EVERY_SUBSET, _SOME = 6, 12
TEARS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: data,
    lambda data: data[: len(data) // 2],
    lambda data: b"",
    lambda data: bytes(len(data)),
)

Tree = dict[str, bytes | None]  # path below the root -> the bytes of a file, None for a folder
Moment = tuple[int, tuple[int, ...], frozenset[int]]  # changes so far, which may be lost, which files may be torn
Names = dict[int, dict[str, int]]  # folder -> its names -> what bears them


@dataclass(eq=False)
class Change:
    """Names that change at once (folder, name, what bears it or None), and the folders still to be synced for it."""

    names: list[tuple[int, str, int | None]]
    waits: set[int]


class Disk:
    """Takes down the steps of one build below ``root`` (``hear``), and tells of what a power cut could have left.

    ``syncs`` off is a disk that does nothing when it is asked to sync.
    """

    def __init__(self, root: Path, syncs: bool = True) -> None:
        self._root, self._syncs = root, syncs
        self._names: Names = {}
        self._bytes: dict[int, bytes] = {}
        self._top = self._read(root)
        self._start = {folder: dict(names) for folder, names in self._names.items()}
        self._changes: list[Change] = []
        self._dirty: set[int] = set()
        self.steps: list[Step] = []  # those that were done
        self.moments: list[Moment] = []  # one after each of them

    def hear(self, step: Step) -> Leave:
        """Take down a step; a ``decide`` for ``Stage.run``."""
        if step.when == "before":
            if step.call == "unlink" and Path(step.path).exists():  # the last look at what was never synced
                self._look(step.path)
            return "go"
        if step.path == str(self._root):  # it is synced; nobody makes or removes it
            folder, name = self._top, "."
        else:
            folder, name = self._place(step.path)
        if step.call == "open":
            if name not in self._names[folder]:
                self._change([(folder, name, self._new(False))])
            self._dirty.add(self._names[folder][name])
        elif step.call == "mkdir":
            self._change([(folder, name, self._new(True))])
        elif step.call in ("unlink", "rmdir"):
            self._change([(folder, name, None)])
        elif step.call in ("rename", "link"):
            target, new_name = self._place(step.second)
            moved = [(folder, name, None)] if step.call == "rename" else []
            self._change([*moved, (target, new_name, self._names[folder][name])])
        elif step.call == "fsync" and self._syncs:
            node = folder if name == "." else self._names[folder][name]
            if node in self._names:
                for change in self._changes:
                    change.waits.discard(node)
            else:
                self._look(step.path)
                self._dirty.discard(node)
        pending = tuple(number for number, change in enumerate(self._changes) if change.waits)
        self.steps.append(step)
        self.moments.append((len(self._changes), pending, frozenset(self._dirty)))
        return "go"

    def finish(self) -> None:
        """The build is over: look at what is left."""
        for path in self._root.rglob("*"):
            if path.is_file():
                self._look(str(path))

    def states(self, moment: Moment) -> Iterator[Tree]:
        """What the disk may hold after a power cut at a moment; some of it more than once."""
        count, pending, dirty = moment
        for lost in _subsets(pending):
            for tear in TEARS:
                tree, torn = self._tree(count, lost, dirty, tear)
                yield tree
                if not torn:
                    break

    def _tree(
        self, count: int, lost: frozenset[int], dirty: frozenset[int], tear: Callable[[bytes], bytes]
    ) -> tuple[Tree, bool]:
        """One state, and whether a file in it may be torn."""
        names = dict(self._start)
        own: set[int] = set()
        for number, change in enumerate(self._changes[:count]):
            if number in lost:
                continue
            for folder, name, node in change.names:
                if folder not in own:
                    names[folder] = dict(names.get(folder, {}))
                    own.add(folder)
                if node is None:
                    names[folder].pop(name, None)
                else:
                    names[folder][name] = node
        tree: Tree = {}
        torn = False
        rest = [(self._top, "")]
        while rest:
            folder, path = rest.pop()
            for name, node in names.get(folder, {}).items():
                if node in self._names:
                    tree[path + name] = None
                    rest.append((node, f"{path}{name}/"))
                else:
                    data = self._bytes.get(node, b"")
                    tree[path + name] = tear(data) if node in dirty else data
                    torn |= node in dirty and data != b""
        return tree, torn

    def _change(self, names: list[tuple[int, str, int | None]]) -> None:
        for folder, name, node in names:
            if node is None:
                del self._names[folder][name]
            else:
                self._names[folder][name] = node
        self._changes.append(Change(names, {folder for folder, _, _ in names}))

    def _new(self, is_folder: bool) -> int:
        node = len(self._names) + len(self._bytes) + 1
        if is_folder:
            self._names[node] = {}
        else:
            self._bytes[node] = b""
        return node

    def _read(self, folder: Path) -> int:
        node = self._new(True)
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                self._names[node][path.name] = self._read(path)
            else:
                self._names[node][path.name] = file = self._new(False)
                self._bytes[file] = path.read_bytes()
        return node

    def _place(self, path: str) -> tuple[int, str]:
        *folders, name = Path(path).relative_to(self._root).parts
        node = self._top
        for part in folders:
            node = self._names[node][part]
        return node, name

    def _look(self, path: str) -> None:
        folder, name = self._place(path)
        self._bytes[self._names[folder][name]] = Path(path).read_bytes()


def _subsets(pending: tuple[int, ...]) -> Iterator[frozenset[int]]:
    """What may be lost of the changes that are not synced."""
    if len(pending) <= _EVERY_SUBSET:
        for size in range(len(pending) + 1):
            yield from map(frozenset, combinations(pending, size))
        return
    every = frozenset(pending)
    yield from (frozenset(), every)
    for number in pending:
        yield frozenset((number,))
        yield every - {number}
    chance = random.Random(len(pending))  # noqa: S311 - no secret
    for _ in range(_SOME):
        yield frozenset(number for number in pending if chance.random() < 0.5)
