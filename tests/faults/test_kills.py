"""A build may be killed at any moment, and the disk may refuse at any step."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable

import pytest
from builder import REFUSED
from stage import ALL, Count, Desk, Leave, Stage, Step, go, leftovers, mended, state

Desks = Callable[[], Desk]
NEEDS_ROOM = ("open", "mkdir", "rename", "link", "fsync", "truncate")  # what a full disk refuses; not to delete


def at(number: int, leave: Leave, calls: tuple[str, ...] = ()) -> Callable[[Step], Leave]:
    """Leave for the first ``number`` steps, and ``leave`` for those after, or only for these ``calls``."""
    seen = -1

    def decide(step: Step) -> Leave:
        nonlocal seen
        seen += 1
        return leave if seen >= number and (not calls or step.call in calls) else "go"

    return decide


def chosen(steps: list[Step]) -> list[int]:
    """Which steps are tried: all, or every rename and of each other call the first, one between and the last."""
    if ALL:
        return list(range(len(steps)))
    kinds: dict[tuple[str, str], list[int]] = {}
    for number, step in enumerate(steps):
        kinds.setdefault((step.when, step.call), []).append(number)
    return sorted(
        number
        for (when, call), numbers in kinds.items()
        for number in (numbers if call == "rename" else {numbers[0], numbers[len(numbers) // 2], numbers[-1]})
        if when == "before" or call in ("rename", "mkdir")
    )


@pytest.mark.parametrize("start", ["desks", "bare_desks"])
def test_a_build_that_is_killed_at_any_step_leaves_the_old_index_or_the_new_one(
    stage: Stage, start: str, request: pytest.FixtureRequest, count: Count
) -> None:
    desks: Desks = request.getfixturevalue(start)
    steps = stage.run(desks(), go).steps
    assert {step.call for step in steps} >= {"open", "mkdir", "rename", "fsync"}
    before = "old" if start == "desks" else "none"
    found = []
    for number in chosen(steps):
        desk = desks()
        assert stage.run(desk, at(number, "kill")).status == -signal.SIGKILL
        found.append(state(desk.folder))
        assert found[-1] in (before, "new"), steps[number]
        mended(desk)
        shutil.rmtree(desk.root)
        count("kills at a step", 1)
    assert found == sorted(found, key=[before, "new"].index) and set(found) == {before, "new"}  # one step changes it


def test_a_build_that_is_killed_at_random_moments_leaves_the_old_index_or_the_new_one(
    stage: Stage, desks: Desks, count: Count
) -> None:
    begun = time.perf_counter()
    assert stage.run(desks()).status == 0
    whole = time.perf_counter() - begun
    chance, killed, moments = random.Random(7), 0, 200 if ALL else 20  # noqa: S311 - no secret
    for _ in range(20 * moments):
        if killed == moments:
            break
        desk = desks()
        killed += stage.run(desk, seconds=chance.uniform(0, whole)).status == -signal.SIGKILL
        assert state(desk.folder) in ("old", "new")
        mended(desk)
        shutil.rmtree(desk.root)
    assert killed == moments
    count("kills at a random moment", moments)


@pytest.mark.parametrize("start", ["desks", "bare_desks"])
def test_a_disk_that_fills_up_at_any_step_costs_one_sentence_and_nothing_else(
    stage: Stage, start: str, request: pytest.FixtureRequest, count: Count
) -> None:
    desks: Desks = request.getfixturevalue(start)
    steps = stage.run(desks(), go).steps
    before = "old" if start == "desks" else "none"
    for number in chosen(steps):
        if steps[number].when == "after" or steps[number].call not in NEEDS_ROOM:
            continue
        desk = desks()
        outcome = stage.run(desk, at(number, "refuse", NEEDS_ROOM))
        if outcome.status == 0:  # what was refused was not needed any more
            assert state(desk.folder) == "new"
        else:
            assert outcome.status == REFUSED, outcome.said
            assert outcome.said.startswith(f"the index in {desk.folder} cannot be written: No space left on device")
            assert outcome.said.endswith("; put that right, then repeat the command.")
            assert state(desk.folder) in (before, "new"), steps[number]
        assert leftovers(desk.folder) == [], steps[number]
        mended(desk)
        shutil.rmtree(desk.root)
        count("refusals", 1)


def test_a_file_that_grows_too_large_costs_one_sentence_and_nothing_else(
    stage: Stage, desks: Desks, count: Count
) -> None:
    """A limit on the size of files, as `ulimit -f` sets it, cuts writes short that no name announces."""
    largest = max(path.stat().st_size for path in desks().folder.rglob("*"))
    for limit in (0, 1, 100, 130, 500, largest // 8, largest // 4, largest // 3, largest // 2, 3 * largest // 4):
        desk = desks()
        outcome = stage.run(desk, limit=limit)
        assert outcome.status == REFUSED, outcome.said
        assert "cannot be written" in outcome.said
        assert (state(desk.folder), leftovers(desk.folder)) == ("old", [])
        mended(desk)
        shutil.rmtree(desk.root)
        count("small disks", 1)
