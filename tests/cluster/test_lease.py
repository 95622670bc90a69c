from __future__ import annotations

import time

import pytest

from indexer.cluster.address import Address
from indexer.cluster.book import NOTHING, open_book
from indexer.cluster.engine import Engine
from indexer.cluster.lease import Lease
from indexer.errors import IndexLockedError


@pytest.fixture
def engine(engine_address: Address) -> Engine:
    engine = Engine(engine_address)
    open_book(engine, engine_address.name)
    return engine


def leases(engine: Engine) -> list[str]:
    return sorted(str(row["key"]) for row in engine.fetch(engine.address.name, "key like 'l:%'", ["key"]))


def test_whoever_finds_a_lease_that_beats_steps_back(engine: Engine) -> None:
    name = engine.address.name
    with Lease(engine, name, "first", beat=0.05):
        with pytest.raises(IndexLockedError, match=f"another kindred is writing the index in .*/{name}"):
            Lease(engine, name, "second", patience=60).__enter__()
        assert leases(engine) == ["l:first"]
    assert leases(engine) == []


def test_a_lease_that_beats_no_more_is_removed(engine: Engine) -> None:
    name = engine.address.name
    engine.upsert(name, [{"key": "l:dead", "number": 5, "text": "", "nothing": NOTHING}])
    with Lease(engine, name, "second", patience=0.2):
        assert leases(engine) == ["l:second"]


def test_the_same_builder_takes_its_own_lease_over_at_once(engine: Engine) -> None:
    name = engine.address.name
    engine.upsert(name, [{"key": "l:me", "number": 5, "text": "", "nothing": NOTHING}])
    with Lease(engine, name, "me", patience=1e9) as lease:
        lease.check()


def test_a_lease_is_given_back_where_the_work_fails(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), Lease(engine, engine.address.name, "me"):
        _ = 1 / 0
    assert leases(engine) == []


def test_a_builder_whose_lease_was_taken_may_not_publish_and_does_not_take_it_back(engine: Engine) -> None:
    name = engine.address.name
    with Lease(engine, name, "slept", beat=0.01) as lease:
        engine.delete(name, "key in ['l:slept']")
        with pytest.raises(IndexLockedError):
            while True:  # a beat that was being written as the row was deleted may bring it back once
                lease.check()
                engine.delete(name, "key in ['l:slept']")
        time.sleep(0.1)
        assert leases(engine) == []
