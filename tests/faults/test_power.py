"""The power may fail at any moment; see ``disk.py`` for what a disk is taken to be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from disk import Disk, Moment, Tree
from stage import ALL, Count, Desk, Stage, mended, state


def recorded(stage: Stage, desk: Desk, syncs: bool = True) -> Disk:
    """A build as the disk heard it."""
    disk = Disk(desk.root, syncs)
    assert stage.run(desk, disk.hear).status == 0
    disk.finish()
    return disk


def distinct(disk: Disk, moments: Iterable[Moment]) -> Iterator[Tree]:
    """The states after these moments, without those that are alike but for what no reader opens: folders and manifests
    that are not finished."""
    seen = set()
    for moment in dict.fromkeys(moments):
        for tree in disk.states(moment):
            key = frozenset(item for item in tree.items() if ".part" not in item[0] and ".manifest" not in item[0])
            if key not in seen:
                seen.add(key)
                yield tree


def tried(disk: Disk) -> list[Moment]:
    """All moments, or those that follow a rename, and of the others every eighth."""
    near = [any(step.call == "rename" for step in disk.steps[max(at - 3, 0) : at + 1]) for at in range(len(disk.steps))]
    return [moment for at, moment in enumerate(disk.moments) if ALL or near[at] or at % 8 == 0]


def laid_out(tree: Tree, root: Path) -> Desk:
    """The files of a state; the notes are not part of the build, and whole."""
    root.mkdir()
    for path, data in sorted(tree.items()):
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)
    return Desk(root).write_new()


@pytest.mark.parametrize("start", ["desks", "bare_desks"])
def test_a_power_cut_at_any_moment_leaves_the_old_index_or_the_new_one(
    stage: Stage, start: str, request: pytest.FixtureRequest, scratch: Path, count: Count
) -> None:
    desks: Callable[[], Desk] = request.getfixturevalue(start)
    disk = recorded(stage, desks())
    found = set()
    for number, tree in enumerate(distinct(disk, tried(disk))):
        desk = laid_out(tree, scratch / f"cut{number}")
        found.add(state(desk.folder))
        if ALL or number % 10 == 0:
            mended(desk)
        shutil.rmtree(desk.root)
        count("power cuts", 1)
    assert found == {"old" if start == "desks" else "none", "new"}


@pytest.mark.parametrize("start", ["desks", "bare_desks"])
def test_what_a_build_said_is_done_outlives_a_power_cut(
    stage: Stage, start: str, request: pytest.FixtureRequest, scratch: Path
) -> None:
    desks: Callable[[], Desk] = request.getfixturevalue(start)
    disk = recorded(stage, desks())
    for number, tree in enumerate(distinct(disk, disk.moments[-1:])):
        assert state(laid_out(tree, scratch / f"cut{number}").folder) == "new"


def test_a_build_that_did_not_sync_would_be_found_out(stage: Stage, desks: Callable[[], Desk], scratch: Path) -> None:
    """The test of the tests: on a disk that does nothing when it is asked to sync, an index is lost."""
    disk = recorded(stage, desks(), syncs=False)
    lost = 0
    for number, tree in enumerate(islice(distinct(disk, disk.moments), None, None, 10)):
        try:
            lost += state(laid_out(tree, scratch / f"cut{number}").folder) == "none"
        except Exception:
            lost += 1
        if lost > 3:
            return
    raise AssertionError("every state was sound")
