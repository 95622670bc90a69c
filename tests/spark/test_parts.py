"""Parts of the notes and their files: cut the same everywhere, whole or not there, the same bytes twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the parts' files are Parquet")

from search.legs import Ranking
from search.neighbours import Neighbour
from search.spark.parts import Cut, Parts, in_order

A = Neighbour("b", 'Says "no", or 再帰', 2.1235, "fair", "Both say “x”.", True, False)
LISTS = {"a": (A, A), "b": (), "ü": (A,)}
FOUND = [
    Ranking(np.array([7, 2], np.int64), np.array([0.1, 1 / 3], np.float32)),
    Ranking(np.array([], np.int64), np.array([], np.float32)),
]
HUBS = [1 / 3, 0.0]


def parts(folder: Path, key: str = "one") -> Parts:
    folder.mkdir(exist_ok=True)
    return Parts(folder, key, Cut(30))


@pytest.mark.parametrize(
    "n_notes, size, count", [(203, 25, 9), (20_000, 313, 64), (10_000_000, 2000, 5000), (0, 25, 0)]
)
def test_the_number_of_notes_alone_says_how_they_are_cut(n_notes: int, size: int, count: int) -> None:
    cut = Cut(n_notes)
    assert (cut.size, len(cut)) == (size, count)
    ends = [0, *(cut.places(part).stop for part in range(len(cut)))]
    assert [cut.places(part).start for part in range(len(cut))] == ends[:-1] and ends[-1] == n_notes


def test_lists_are_read_back_in_their_order(tmp_path: Path) -> None:
    there = parts(tmp_path)
    there.write_lists(0, LISTS, 2)
    there.write_lists(1, {"z": (A,)}, 0)
    assert list(in_order([there.lists(0), there.lists(1)])) == [*LISTS.items(), ("z", (A,))]
    assert (there.told(0)["changed"], there.told(1)["changed"]) == (2, 0)


def test_candidates_are_read_back_bit_by_bit(tmp_path: Path) -> None:
    there = Parts(tmp_path, "one", Cut(2))
    there.write_found(0, FOUND, HUBS)
    candidates, hubs = there.read_found(0)
    for read, written in zip(candidates, FOUND, strict=True):
        assert (read.rows.tolist(), read.rows.dtype) == (written.rows.tolist(), np.int64)
        assert (read.scores.tobytes(), read.scores.dtype) == (written.scores.tobytes(), np.float32)
    assert hubs.tolist() == there.hubs().tolist() == HUBS


def test_the_same_lists_are_the_same_bytes_whoever_writes_them(tmp_path: Path) -> None:
    here, there = parts(tmp_path / "here"), parts(tmp_path / "there")
    for one in (here, there):
        one.write_lists(1, LISTS, 2)
        one.write_found(0, FOUND, HUBS)
    assert here.lists(1).read_bytes() == there.lists(1).read_bytes()
    assert here.found(0).read_bytes() == there.found(0).read_bytes()
    assert sorted(path.name for path in here.folder.iterdir()) == ["_found-00000.parquet", "part-00001.parquet"]


def test_a_file_that_is_damaged_missing_or_of_other_work_is_not_whole(tmp_path: Path) -> None:
    there = parts(tmp_path)
    there.write_lists(0, LISTS, 0)
    path = there.lists(0)
    sound = path.read_bytes()
    assert there.has_lists(0) and not there.has_lists(1)
    assert not parts(tmp_path, "another").has_lists(0)
    path.replace(there.lists(1))
    assert not there.has_lists(1)  # a part under another's name
    for damaged in (b"", sound[:-1], sound[: len(sound) // 2], bytes(len(sound))):
        path.write_bytes(damaged)
        assert not there.has_lists(0)


def test_no_flipped_byte_of_what_is_said_of_notes_is_taken_for_whole(tmp_path: Path) -> None:
    there = parts(tmp_path)
    there.write_lists(0, {f"note {number}": (A,) * (number % 3) for number in range(30)}, 0)
    path = there.lists(0)
    sound = path.read_bytes()
    expected = list(in_order([path]))
    for place in range(0, len(sound), 7):
        flipped = bytearray(sound)
        flipped[place] ^= 0x10
        path.write_bytes(flipped)
        if there.has_lists(0):  # what it says of itself may differ, what it says of notes may not
            assert list(in_order([path])) == expected, place
