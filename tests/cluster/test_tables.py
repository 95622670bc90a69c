"""The tables of a generation on a reader's machine, where several processes fetch them at once."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from toys import NOTES, ToyEncoder, record, write_jsonl

from indexer.cluster.address import Address
from indexer.cluster.book import Published, newest
from indexer.cluster.build import build_on
from indexer.cluster.engine import Engine
from indexer.cluster.remote import RemoteIndex, open_remote
from indexer.cluster.tables import fetched


@pytest.fixture
def address(lite2: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Address:
    """An index that no other test uses, with a cache of its own."""
    monkeypatch.setenv("KINDRED_CACHE", str(tmp_path / "cache"))
    return Address.parse(f"{lite2}/tables_{tmp_path.name}")


def publish(address: Address, folder: Path, edition: int) -> Published:
    notes = [*NOTES, record("new", f"Edition {edition}", "")]
    build_on([write_jsonl(folder / "notes.jsonl", notes)], address, encoder=ToyEncoder())
    found = newest(Engine(address), address.name)
    assert found is not None
    return found


def kept(address: Address) -> list[str]:
    """The numbers at the ends of the folders' names."""
    return sorted(path.name.rpartition("-")[2] for path in (address.cache / "tables").iterdir())


def test_the_tables_of_the_last_two_generations_stay_and_nobody_removes_newer_ones(
    address: Address, tmp_path: Path
) -> None:
    generations = []
    for edition in range(3):
        generations.append(publish(address, tmp_path, edition))
        open_remote(address)
    assert kept(address) == ["2", "3"]
    # a slow process only now has what was the newest when it asked
    (second,) = (address.cache / "tables").glob("*-2")
    shutil.rmtree(second)
    assert fetched(Engine(address), generations[1], address.cache / "tables") == second
    assert kept(address) == ["2", "3"]


def test_a_process_that_was_slower_leaves_what_a_quicker_one_has_made(address: Address, tmp_path: Path) -> None:
    generation, tables = publish(address, tmp_path, 0), address.cache / "tables"

    class Slow(Engine):
        inode = 0

        def fetch(self, *asked: Any, **more: Any) -> list[dict[str, Any]]:
            if not self.inode:
                self.inode = fetched(Engine(address), generation, tables).stat().st_ino
            return super().fetch(*asked, **more)

    slow = Slow(address)
    assert fetched(slow, generation, tables).stat().st_ino == slow.inode > 0
    assert len(list(tables.iterdir())) == 1


def test_what_a_killed_process_left_is_removed_after_a_day(address: Address, tmp_path: Path) -> None:
    publish(address, tmp_path, 0)
    tables = address.cache / "tables"
    for name, age in ((".left", 90_000), (".at-work", 0), ("000009-of-an-index-of-before-9", 90_000)):
        (tables / name).mkdir(parents=True)
        os.utime(tables / name, (time.time() - age,) * 2)
    open_remote(address)
    assert sorted(path.name.partition("-")[0] for path in tables.iterdir()) == [".at", "000001"]


def test_tables_that_vanish_while_they_are_opened_are_fetched_again(address: Address, tmp_path: Path) -> None:
    publish(address, tmp_path, 0)
    lost = []

    class Unlucky(Engine):
        def explained(self, explain: Any) -> Engine:  # asked for as an index is opened
            if not lost:
                lost.append(shutil.rmtree(address.cache / "tables"))
            return super().explained(explain)

    index = open_remote(address, Unlucky(address))
    assert isinstance(index, RemoteIndex)
    assert lost
    assert index.row_of("new") == len(NOTES)
