from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from pymilvus.client.utils import check_status
from pymilvus.exceptions import MilvusException
from pymilvus.grpc_gen import common_pb2
from servers import Kind, started

from indexer.cluster.address import Address
from indexer.cluster.engine import Engine, Field
from indexer.cluster.troubles import problem_of
from indexer.errors import ClusterError

FIELDS = [
    Field("row", "whole", primary=True),
    Field("name", "text", 65535),
    Field("held", "wholes", 4),
    Field("place", "real"),
    Field("hub", "float"),
    Field("vector", "vector", 2),
    Field("words", "sparse"),
]
# cosines of their vectors with (1, 0): 1, 0.6, 0 and -1
ROWS = [
    {"row": 0, "name": "a", "held": [1], "place": 0.5, "hub": 0.25, "vector": [2.0, 0.0], "words": {1: 1.0, 2: 1.0}},
    {"row": 1, "name": "b", "held": [1, 2], "place": 1.5, "hub": 0.5, "vector": [3.0, 4.0], "words": {1: 0.5}},
    {"row": 2, "name": "c", "held": [2**62], "place": 2.5, "hub": 0.0, "vector": [0.0, 1.0], "words": {2: 3.0}},
    {"row": 3, "name": "d", "held": [], "place": 3.5, "hub": 0.0, "vector": [-1.0, 0.0], "words": {0: 1.0}},
]


@pytest.fixture
def filled(engine_address: Address) -> Engine:
    """An engine with one collection: the four rows."""
    engine = Engine(engine_address)
    engine.create(engine_address.name, FIELDS)
    engine.upsert(engine_address.name, ROWS)
    return engine


def test_what_is_written_is_read_at_once_and_whole(filled: Engine) -> None:
    name = filled.address.name
    filled.flush(name)
    filled.load(name)
    fields = [field.name for field in FIELDS]
    found = sorted(filled.fetch(name, "row >= 0", fields), key=lambda row: int(row["row"]))
    assert [{**row, "held": list(row["held"])} for row in found] == ROWS
    assert filled.count(name) == 4
    assert filled.count(name, "array_contains(held, 1)") == 2
    assert [[row["row"] for row in rows] for rows in filled.walk(name, "row < 3", ["row"], batch=2)] == [[0, 1], [2]]


def test_rows_come_nearest_first_with_their_scores(filled: Engine) -> None:
    name = filled.address.name
    (hits,) = filled.search(name, "vector", [[1.0, 0.0]], 3, fields=["name"])
    assert [(row, pytest.approx(score, abs=1e-6), entity) for row, score, entity in hits] == [
        (0, 1.0, {"name": "a"}),
        (1, 0.6, {"name": "b"}),
        (2, 0.0, {"name": "c"}),
    ]
    both, nothing = filled.search(name, "words", [{1: 2.0, 2: 1.0}, {7: 1.0}], 10, filter="row != 1")
    assert [(row, score) for row, score, _ in both] == [(0, 3.0), (2, 3.0)] or [
        (row, score) for row, score, _ in both
    ] == [(2, 3.0), (0, 3.0)]
    assert nothing == []


def test_a_row_written_twice_is_there_once_and_a_deleted_one_is_gone(filled: Engine) -> None:
    name = filled.address.name
    filled.upsert(name, [{**ROWS[0], "name": "z"}])
    filled.upsert(name, [])
    assert filled.count(name) == 4
    assert filled.fetch(name, "row == 0", ["name"]) == [{"name": "z", "row": 0}]
    filled.delete(name, "row in [0, 2]")
    filled.delete(name, "place > 3.0")
    assert filled.count(name) == 1


def test_collections_are_made_dropped_and_missed(filled: Engine) -> None:
    name = filled.address.name
    assert name in filled.collections()
    assert filled.has(name)
    filled.drop(name)
    filled.drop(name)
    assert not filled.has(name)
    with pytest.raises(ClusterError, match=f"lacks a collection .*kindred index --index .*{name}") as caught:
        filled.count(name)
    assert caught.value.reason == "missing"


def test_what_only_some_builds_know_is_found_out(lite2: str, lite3: str) -> None:
    known = []
    for place in (lite2, lite3):
        engine = Engine(Address.parse(f"{place}/known"))
        engine.create("known", FIELDS)
        known.append(
            (engine.can_negate("known"), engine.alias("known_now", "known"), engine.alias("known_now", "known"))
        )
    assert known == [(False, False, False), (True, True, True)]


def test_a_filter_that_is_none_fails_in_one_line(filled: Engine) -> None:
    with pytest.raises(ClusterError, match=r"failed \(") as caught:
        filled.count(filled.address.name, "garbage (")
    assert caught.value.reason == "failed"
    assert "\n" not in str(caught.value)


def test_a_closed_connection_opens_again(filled: Engine) -> None:
    filled.close()
    assert filled.count(filled.address.name) == 4


def test_an_engine_that_is_not_there_is_away_at_once() -> None:
    with socket.socket() as unused:  # bound, and never listening
        unused.bind(("127.0.0.1", 0))
        engine = Engine(Address("127.0.0.1", unused.getsockname()[1], "notes"), deadline=60)
        with pytest.raises(ClusterError, match="does not answer; start the engine") as caught:
            engine.collections()
    assert caught.value.reason == "away"


def test_an_engine_that_never_answers_is_waited_for_until_the_deadline() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        engine = Engine(Address("127.0.0.1", silent.getsockname()[1], "notes"), deadline=0.5)
        began = time.monotonic()
        with pytest.raises(ClusterError, match=r"does not answer|in time"):
            engine.collections()
        assert time.monotonic() - began >= 0.4


def raised(code: int, message: str, old: int = 0) -> MilvusException:
    """What pymilvus makes of a status that an engine sends."""
    try:
        check_status(common_pb2.Status(code=code, reason=message, error_code=old))
    except MilvusException as error:
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (3, "memory limit exceeded", "full"),
        (8, "request is rejected by grpc RateLimiter middleware", "busy"),
        (9, "quota exceeded[reason=disk quota exceeded]", "full"),
        (100, "collection not found", "missing"),
        (101, "collection not loaded", "unloaded"),
        (1401, "privilege not authenticated", "refused"),
        (65535, "auth check failure, please check username and password are correct", "refused"),
        (1100, "invalid parameter", "failed"),
    ],
)
def test_what_an_engine_says_has_a_meaning(code: int, message: str, reason: str) -> None:
    assert problem_of(Address("host", 1, "notes"), raised(code, message)).reason == reason


def test_what_a_connection_says_has_a_meaning() -> None:
    address = Address("host", 1, "notes")
    meanings = {
        grpc.StatusCode.UNAUTHENTICATED: "refused",
        grpc.StatusCode.UNAVAILABLE: "away",
        grpc.StatusCode.DEADLINE_EXCEEDED: "slow",
        grpc.StatusCode.RESOURCE_EXHAUSTED: "busy",
        grpc.StatusCode.UNIMPLEMENTED: "version",
    }
    for code, reason in meanings.items():  # pymilvus hands a state on where its own repetitions end
        assert problem_of(address, MilvusException(code, "[query] Retry timeout: 1s")).reason == reason


@pytest.mark.parametrize("kind", ["lite2", "lite3"])
def test_a_call_is_repeated_where_the_engine_is_started_again_meanwhile(kind: Kind, tmp_path: Path) -> None:
    server = started(kind, tmp_path)
    try:
        engine = Engine(Address.parse(f"{server.address}/again"), deadline=120)
        engine.create("again", FIELDS)
        engine.upsert("again", ROWS)
        engine.flush("again")
        server.kill()
        with ThreadPoolExecutor(1) as caller:
            counted = caller.submit(engine.count, "again")
            server.start()
            assert counted.result() == 4
    finally:
        server.kill()
