"""A builder that is killed at any step leaves what was published, and the next one finishes its work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toys import ToyEncoder, record, write_jsonl

from indexer.cluster.address import Address
from indexer.cluster.book import Published, newest
from indexer.cluster.build import build_on
from indexer.cluster.engine import Engine

# argv: the tests' folder, the notes, the address, the phase, and the step of it at which the process kills itself
BUILDER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from toys import ToyEncoder
from indexer.cluster.address import Address
from indexer.cluster.build import build_on
steps = 0
def progress(phase, done, total):
    global steps
    steps += phase == sys.argv[4]
    if steps > int(sys.argv[5]):
        os.kill(os.getpid(), signal.SIGKILL)
build_on([Path(sys.argv[2])], Address.parse(sys.argv[3]), encoder=ToyEncoder(), progress=progress)
"""


def notes_of(n: int, word: str) -> list[dict[str, Any]]:
    return [
        record(f"n{row:04}", f"Model {row} of {word if row % 50 == 0 else 'reward'} {row % 7}", "") for row in range(n)
    ]


def seen(engine: Engine, generation: Published) -> list[tuple[str, int]]:
    """The ids of the notes of a generation by their places, and how many rows the store has of each."""
    rows = engine.fetch(generation.shelf, generation.living, ["row", "name", "place"])
    stored = [row["row"] for row in engine.fetch(generation.store, "row >= 0", ["row"])]
    counts = {row: stored.count(row) for row in set(stored)}
    return [(row["name"], counts[row["row"]]) for row in sorted(rows, key=lambda row: float(row["place"]))]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("n_notes", "kills"),
    [
        # all notes anew, in four batches: killed when the first is on its way, and with a table
        (1600, [("sending notes", 1), ("sending tables", 5)]),
        # 4 notes of 200 changed: killed when they are sent, and with the tables
        (200, [("sending notes", 1), ("sending tables", 0)]),
    ],
)
def test_a_killed_build_leaves_the_old_generation_and_is_finished_by_the_next(
    lite2: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_notes: int, kills: list[tuple[str, int]]
) -> None:
    monkeypatch.setenv("KINDRED_CACHE", str(tmp_path / "cache"))
    address = Address.parse(f"{lite2}/killed{n_notes}")
    notes = tmp_path / "notes.jsonl"
    before, after = notes_of(200, "memory"), notes_of(n_notes, "search")
    build_on([write_jsonl(notes, before)], address, encoder=ToyEncoder())
    engine = Engine(address)
    old = newest(engine, address.name)
    assert old is not None
    write_jsonl(notes, after)
    for phase, step in kills:
        command = [sys.executable, "-c", BUILDER, str(Path(__file__).parent.parent), str(notes), str(address), phase]
        assert subprocess.run([*command, str(step)], cwd=Path(__file__).parent.parent.parent).returncode == -9
        assert newest(engine, address.name) == old
        assert [name for name, _ in seen(engine, old)] == [note["id"] for note in before]
    told: list[tuple[str, int, int]] = []
    assert build_on([notes], address, encoder=ToyEncoder(), progress=lambda *step: told.append(step)).published
    new = newest(engine, address.name)
    assert new is not None
    assert (new.number, new.n_notes) == (2, n_notes)
    assert seen(engine, new) == [(note["id"], 2) for note in after]
    assert [name for name, _ in seen(engine, old)] == [note["id"] for note in before]
    first = next(done for phase, done, _ in told if phase == "sending notes")
    assert first == (1500 if n_notes == 1600 else 0)  # where all were sent before, only the last batch is sent again
    assert not build_on([notes], address, encoder=ToyEncoder()).published
