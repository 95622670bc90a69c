from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from indexer.cluster.address import Address
from indexer.cluster.book import (
    PART,
    Published,
    Table,
    announce,
    forget_tables,
    newest,
    open_book,
    published,
    send_table,
    table_bytes,
    withdraw,
)
from indexer.cluster.engine import Engine
from indexer.errors import ClusterError

GENERATION = Published(
    number=1,
    generation="000001-0123abcd",
    shelf="notes_00000001_s",
    store="notes_00000001_p",
    n_notes=3,
    tables={"topics.json": Table("00" * 32, 2)},
    facts={"averages": {"title": 1.5}, "hubs": True, "usual hub": 0.25},
    published="2026-01-02T03:04:05+00:00",
)


@pytest.fixture
def engine(engine_address: Address) -> Engine:
    engine = Engine(engine_address)
    open_book(engine, engine_address.name)
    open_book(engine, engine_address.name)  # one that is there stays
    return engine


def test_no_generation_is_published_where_nothing_was_ever_built(engine_address: Address) -> None:
    assert newest(Engine(engine_address), engine_address.name) is None


def test_the_newest_generation_is_the_one_with_the_greatest_number(engine: Engine) -> None:
    name = engine.address.name
    assert newest(engine, name) is None
    later = replace(GENERATION, number=12, generation="000012-0123abcd")
    for generation in (later, GENERATION):
        announce(engine, name, generation)
    assert newest(engine, name) == later
    assert published(engine, name) == [GENERATION, later]
    assert later.living == "since <= 12 and until > 12"
    assert replace(later, gone=(3, 5)).living == "since <= 12 and until > 12 and row not in [3, 5]"
    withdraw(engine, name, [12])
    assert newest(engine, name) == GENERATION


def test_a_generation_of_another_format_says_what_to_type(engine: Engine) -> None:
    announce(engine, engine.address.name, replace(GENERATION, format=2))
    with pytest.raises(ClusterError, match=r"format 2.*reads format 1; .*--rebuild") as caught:
        newest(engine, engine.address.name)
    assert caught.value.reason == "version"


@pytest.mark.parametrize("size", [0, 1, PART * 3 // 4, PART * 3 // 4 + 1, 5_000_000])
def test_a_table_comes_back_byte_for_byte(engine: Engine, size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    table = send_table(engine, engine.address.name, content)
    assert table == Table(sha256(content).hexdigest(), size)
    assert table_bytes(engine, engine.address.name, table.sha256) == content


def test_a_table_that_was_half_sent_is_completed_and_a_damaged_one_is_told(engine: Engine) -> None:
    name = engine.address.name
    content = bytes(200_000)
    table = send_table(engine, name, content)
    engine.delete(name, f'key in ["t:{table.sha256}:000001"]')
    with pytest.raises(ClusterError, match=f"lacks a part of the table {table.sha256[:12]}"):
        table_bytes(engine, name, table.sha256)
    assert send_table(engine, name, content) == table
    assert table_bytes(engine, name, table.sha256) == content
    part = {"key": f"t:{table.sha256}:000001", "number": 5, "text": "AAAB" * 15_000, "nothing": [1.0, 0.0]}
    engine.upsert(name, [part])
    with pytest.raises(ClusterError, match="holds another table") as caught:
        table_bytes(engine, name, table.sha256)
    assert caught.value.reason == "damaged"


def test_tables_that_no_kept_generation_names_are_forgotten(engine: Engine) -> None:
    name = engine.address.name
    kept, dropped = send_table(engine, name, b"kept"), send_table(engine, name, b"dropped")
    generation = replace(GENERATION, tables={"words/a.npy": kept})
    announce(engine, name, generation)
    forget_tables(engine, name, [generation])
    assert table_bytes(engine, name, kept.sha256) == b"kept"
    with pytest.raises(ClusterError, match="lacks a part"):
        table_bytes(engine, name, dropped.sha256)
    assert newest(engine, name) == generation
