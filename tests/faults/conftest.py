"""What the fault tests share: the stage, desks to build on, and the count of what was survived."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stage import ALL, ROWS, Count, Desk, Stage, settled


@pytest.fixture(scope="session")
def count(request: pytest.FixtureRequest) -> Iterator[Count]:
    """Takes down what was survived; `make faults` keeps it for the README, where no test failed."""
    tally: dict[str, int] = {}

    def more(what: str, number: int) -> None:
        tally[what] = tally.get(what, 0) + number

    yield more
    if ALL and not request.session.testsfailed:
        from benchmarks.results import save_reliability

        for place, (what, (tried, outcome)) in enumerate(ROWS.items()):
            if what in tally:
                figures = {"count": tally[what]}
                save_reliability(f"faults {place:02}", tried, f"{tally[what]:,} of {tally[what]:,} {outcome}", figures)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder in memory where the system has one: a build syncs every file, and no test here pulls the plug."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of this name is what is looked for
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Where builds are stopped.  It needs Linux and a C compiler, and CI must have them."""
    if not sys.platform.startswith("linux") or shutil.which("cc") is None:
        if os.environ.get("KINDRED_FAULTS"):
            pytest.fail("this system has no C compiler, or is not Linux")
        pytest.skip("needs Linux and a C compiler (cc)")
    made = Stage(tmp_path_factory.mktemp("stage"))
    yield made
    made.close()


@pytest.fixture
def desks(scratch: Path) -> Callable[[], Desk]:
    """Gives a desk at each call, with an index of two generations and notes that are those of neither; see
    ``stage.settled``."""
    base, made = settled(scratch / "base"), iter(range(1_000_000))
    return lambda: base.copy(scratch / str(next(made)))


@pytest.fixture
def bare_desks(scratch: Path) -> Callable[[], Desk]:
    """Gives a desk at each call, with notes and without an index."""
    made = iter(range(1_000_000))
    return lambda: Desk(scratch / f"bare{next(made)}").write_new()
