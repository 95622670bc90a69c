from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from indexer.cluster.address import Address
from indexer.cluster.book import NOTHING, open_book
from indexer.cluster.engine import Engine, Row
from indexer.cluster.lease import Lease
from indexer.errors import IndexLockedError


@pytest.fixture
def engine(engine_address: Address) -> Engine:
    engine = Engine(engine_address)
    open_book(engine, engine_address.name)
    return engine


def leases(engine: Engine) -> list[str]:
    """Whose leases stand in the book."""
    rows = engine.fetch(engine.address.name, "key like 'l:%'", ["key"])
    return sorted({str(row["key"]).split(":")[1] for row in rows})


def assert_nobody(engine: Engine) -> None:
    """No lease stands there, or after a moment none does."""
    for _ in range(1_000):
        if not leases(engine):
            return
        time.sleep(0.01)
    raise AssertionError(leases(engine))


def a_beat(owner: str, number: int) -> Row:
    return {"key": f"l:{owner}:{number:012d}", "number": number, "text": "", "nothing": NOTHING}


class Torn(Engine):
    """An engine that replaces a row as milvus-lite 2.5.1 does: for a moment there is none.  What stands in the book is
    kept after each thing that is written."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.seen: list[list[str]] = []

    def upsert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.delete(name, f"key in {json.dumps([row['key'] for row in rows])}")
        super().upsert(name, rows)
        self.seen.append(leases(self))

    def delete(self, name: str, filter: str) -> None:
        super().delete(name, filter)
        self.seen.append(leases(self))


def test_a_builder_that_looks_while_another_beats_never_finds_nobody(engine: Engine) -> None:
    torn = Torn(engine.address)
    with Lease(torn, engine.address.name, "first", beat=0.01) as lease:
        while len(torn.seen) < 20:
            lease.check()
            time.sleep(0.01)
        seen = list(torn.seen)
    assert seen[0] == []
    assert all(owners == ["first"] for owners in seen[1:])
    assert leases(engine) == []


def test_whoever_finds_a_lease_that_beats_steps_back(engine: Engine) -> None:
    name = engine.address.name
    with Lease(engine, name, "first", beat=0.05):
        with pytest.raises(IndexLockedError, match=f"another kindred is writing the index in .*/{name}"):
            Lease(engine, name, "second", patience=60).__enter__()
        assert leases(engine) == ["first"]
    assert leases(engine) == []


def test_a_lease_that_beats_no_more_is_removed(engine: Engine) -> None:
    name = engine.address.name
    engine.upsert(name, [a_beat("dead", 5), a_beat("dead", 6)])
    with Lease(engine, name, "second", patience=0.2):
        assert leases(engine) == ["second"]


def test_the_same_builder_takes_its_own_lease_over_at_once(engine: Engine) -> None:
    name = engine.address.name
    engine.upsert(name, [a_beat("me", 5)])
    with Lease(engine, name, "me", patience=1e9) as lease:
        lease.check()
        (row,) = engine.fetch(name, "key like 'l:%'", ["key", "number"])
        assert (row["key"], row["number"]) == ("l:me:000000000006", 6)  # others see that somebody lives


def test_a_lease_is_given_back_where_the_work_fails(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), Lease(engine, engine.address.name, "me"):
        _ = 1 / 0
    assert leases(engine) == []


def test_a_builder_whose_lease_was_taken_may_not_publish_and_does_not_take_it_back(engine: Engine) -> None:
    name = engine.address.name
    with Lease(engine, name, "slept", beat=0.01) as lease:
        engine.delete(name, "key like 'l:slept:%'")
        with pytest.raises(IndexLockedError):
            for _ in range(10_000):  # a beat that was being written as the rows were deleted stands there for a moment
                lease.check()
        time.sleep(0.1)
        assert_nobody(engine)


def test_a_lease_that_is_taken_while_a_beat_is_written_stays_taken(engine: Engine) -> None:
    class Burying(Engine):
        beats = 0

        def upsert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
            self.beats += 1
            if self.beats == 3:
                self.delete(name, "key like 'l:slept:%'")
            super().upsert(name, rows)

    burying = Burying(engine.address)
    with Lease(burying, engine.address.name, "slept", beat=0.01) as lease:
        with pytest.raises(IndexLockedError):
            for _ in range(10_000):
                lease.check()
        time.sleep(0.1)
        assert_nobody(engine)
        assert burying.beats == 3


def test_a_builder_whose_first_beat_is_removed_at_once_does_not_begin(engine: Engine) -> None:
    class Buried(Engine):
        def upsert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
            super().upsert(name, rows)
            self.delete(name, "key like 'l:%'")

    with pytest.raises(IndexLockedError):
        Lease(Buried(engine.address), engine.address.name, "slept").__enter__()
