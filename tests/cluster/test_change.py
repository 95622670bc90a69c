from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import ToyEncoder, record, write_jsonl

from indexer import build_index, open_index
from indexer.cluster.address import Address
from indexer.cluster.book import newest
from indexer.cluster.build import build_on
from indexer.cluster.change import change, in_order, places_between
from indexer.cluster.engine import Engine
from indexer.cluster.record import read_record, write_record

NOTES = [record(f"n{row}", f"Model {row} of reward", "") for row in range(12)]
NO = float("nan")


@pytest.mark.parametrize(
    ("places", "filled"),
    [
        ([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]),
        ([NO, NO], [0.0, 1.0]),
        ([NO, NO, 5.0, NO], [3.0, 4.0, 5.0, 6.0]),
        ([1.0, NO, NO, NO, 2.0, NO, 8.0], [1.0, 1.25, 1.5, 1.75, 2.0, 5.0, 8.0]),
        ([1.0, NO, np.nextafter(1.0, 2.0)], None),  # no number lies between
    ],
)
def test_new_notes_stand_between_those_around_them(places: list[float], filled: list[float] | None) -> None:
    found = places_between(np.array(places))
    assert (None if found is None else found.tolist()) == filled


@pytest.mark.parametrize(
    ("kept", "ascending"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([2, 0, 1], [-1, 0, 1]),  # the one that moved is a new one
        ([0, -1, 3, 1, 2, -1, 4], [0, -1, -1, 1, 2, -1, 4]),
        ([-1, -1], [-1, -1]),
        ([], []),
    ],
)
def test_as_few_notes_as_possible_are_sent_again_where_some_moved(kept: list[int], ascending: list[int]) -> None:
    assert in_order(np.array(kept, dtype=np.int64)).tolist() == ascending


class Watched(Engine):
    """An engine that looks, after each thing that is written, at what readers of ``living`` see.

    Where it is ``torn``, it replaces a row as milvus-lite 2.5.1 does: for a moment there is none.
    """

    def __init__(self, address: Address, shelf: str, living: str, torn: bool) -> None:
        super().__init__(address)
        self.shelf, self.living, self.torn = shelf, living, torn
        self.seen: list[list[str]] = []

    def upsert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:  # one by one, so that there are more moments
            if self.torn:
                key = "row" if name == self.shelf else "key"
                self.delete(name, f"{key} in {json.dumps([row[key]])}")
            super().upsert(name, [row])
            self._look()

    def delete(self, name: str, filter: str) -> None:
        super().delete(name, filter)
        self._look()

    def _look(self) -> None:
        rows = self.fetch(self.shelf, self.living, ["row", "name", "place"])
        self.seen.append([str(row["name"]) for row in sorted(rows, key=lambda row: float(row["place"]))])

    def looked(self, living: str) -> list[str]:
        """What readers of ``living`` see from now on."""
        self.living = living
        self._look()
        return self.seen[-1]


@pytest.mark.parametrize(
    ("named", "torn", "gone", "written"),
    [
        # 2 notes in 2 rows of the store and one of the shelf
        (2_000, True, [4, 7, 11], 2 * 3),
        (2, False, [], 2 * 3 + 3),  # 3 rows that end
    ],
)
def test_readers_see_nothing_of_a_change_until_it_is_published(
    engine_address: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: int,
    torn: bool,
    gone: list[int],
    written: int,
) -> None:
    monkeypatch.setenv("KINDRED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("indexer.cluster.change._NAMED", named)
    notes = write_jsonl(tmp_path / "notes.jsonl", NOTES)
    build_on([notes], engine_address, encoder=ToyEncoder())
    last = newest(Engine(engine_address), engine_address.name)
    assert last is not None
    changed = [dict(note) for note in NOTES]
    changed[4]["title"] = "Critic 4 of reward"  # as long as before
    changed[7] = record("new", "Proof 7 of reward", "")
    write_jsonl(notes, changed[:-1])
    build_index([notes], engine_address.workshop, encoder=ToyEncoder())
    kept = read_record(engine_address.workshop.parent, last)
    assert kept is not None

    before, after = [note["id"] for note in NOTES], [note["id"] for note in changed[:-1]]
    watched = Watched(engine_address, last.shelf, last.living, torn)
    done = change(watched, open_index(engine_address.workshop), last, kept, (2, 0), None, lambda *_: None, lambda: None)
    assert done is not None
    assert done[1].tolist() == [4, 7]
    assert done[0].gone.tolist() == gone
    # 2 deletions of what nobody left
    assert watched.seen == [before] * (2 + (1 + torn) * written)
    assert watched.looked(replace(last, number=2, gone=tuple(gone)).living) == after

    # and undone before the next try, which is to change something else
    write_jsonl(notes, [*NOTES, record("other", "Memory 1 of reward", "")])
    build_index([notes], engine_address.workshop, encoder=ToyEncoder())
    done = change(watched, open_index(engine_address.workshop), last, kept, (2, 0), None, lambda *_: None, lambda: None)
    assert done is not None
    assert done[0].gone.tolist() == []
    assert watched.looked(replace(last, number=2).living) == [*before, "other"]
    assert watched.looked(last.living) == before


def test_what_is_remembered_of_a_shelf_is_read_again_or_not_at_all(
    engine_address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINDRED_CACHE", str(tmp_path / "cache"))
    build_on([write_jsonl(tmp_path / "notes.jsonl", NOTES)], engine_address, encoder=ToyEncoder())
    last = newest(Engine(engine_address), engine_address.name)
    assert last is not None
    folder = engine_address.workshop.parent
    kept = read_record(folder, last)
    assert kept is not None
    write_record(tmp_path, kept)
    again = read_record(tmp_path, last)
    assert again is not None
    for field in fields(kept):
        np.testing.assert_equal(getattr(again, field.name), getattr(kept, field.name))
    (file,) = tmp_path.glob("shelf-*.npz")
    for damage in (b"", file.read_bytes()[:500], b"nothing of the kind"):
        file.write_bytes(damage)
        assert read_record(tmp_path, last) is None
    file.unlink()
    assert read_record(tmp_path, last) is None
