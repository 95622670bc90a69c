"""A server of ours follows what is published on an engine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from pymilvus.client.connection_manager import ConnectionManager
from starlette.testclient import TestClient
from toys import NOTES, ToyEncoder, record, write_jsonl

from indexer.cluster.address import Address
from indexer.cluster.book import newest
from indexer.cluster.build import build_on
from indexer.cluster.engine import Engine
from indexer.errors import ClusterError
from search import Searcher
from search.neighbours import all_related
from search.server.app import create_app
from search.server.snapshot import Snapshots


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache that no other test uses, and no second in which what an engine said holds."""
    monkeypatch.setenv("KINDRED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("indexer.cluster.standing._LOOK", 0.0)


def publish(address: Address, folder: Path, notes: list[dict[str, Any]]) -> None:
    build_on([write_jsonl(folder / "notes.jsonl", notes)], address, encoder=ToyEncoder())


def found(snapshots: Snapshots, query: str) -> list[str]:
    answer, _ = snapshots.ask(
        lambda snapshot: [hit.note.id for hit in snapshot.searcher.search(query, 3, "lexical")], snapshots.current
    )
    return answer


@pytest.mark.parametrize("loss", ["shelf", "store"])
def test_a_server_answers_again_when_the_engine_was_given_what_it_had_lost(
    engine_address: Address, tmp_path: Path, loss: str
) -> None:
    publish(engine_address, tmp_path, NOTES)
    snapshots = Snapshots(engine_address, ToyEncoder())
    before = newest(Engine(engine_address), engine_address.name)
    assert before is not None
    Engine(engine_address).drop(getattr(before, loss))
    publish(engine_address, tmp_path, NOTES)  # the same generation, under another number
    assert found(snapshots, "coffee") == ["cafe"]
    assert not snapshots.look()  # nothing is opened again and again


def test_an_answer_that_lacked_what_the_engine_had_lost_is_not_given_again_after_the_repair(
    engine_address: Address, tmp_path: Path
) -> None:
    publish(engine_address, tmp_path, NOTES)
    with TestClient(create_app(engine_address, encoder=ToyEncoder()), "http://127.0.0.1") as client:
        engine, lost = Engine(engine_address), newest(Engine(engine_address), engine_address.name)
        assert lost is not None
        engine.delete(lost.shelf, "row == 4")
        before = client.get("/api/search?q=coffee&mode=lexical")
        assert before.json()["hits"] == []
        publish(engine_address, tmp_path, NOTES)
        end = time.monotonic() + 60
        while True:
            after = client.get("/api/search?q=coffee&mode=lexical", headers={"if-none-match": before.headers["etag"]})
            if after.status_code != 304 or time.monotonic() > end:
                break
            time.sleep(0.05)
        assert [hit["id"] for hit in after.json()["hits"]] == ["cafe"]
        assert client.get("/api/search?q=coffee&mode=lexical").json() == after.json()


def test_a_server_keeps_one_connection_however_often_an_index_is_published(
    engine_address: Address, tmp_path: Path
) -> None:
    publish(engine_address, tmp_path, NOTES)
    snapshots = Snapshots(engine_address, ToyEncoder())
    connections = ConnectionManager.get_instance().get_stats()["dedicated_connections"]
    for number in range(3):
        publish(engine_address, tmp_path, [*NOTES, record("new", f"Edition{number}", "")])
        assert snapshots.look()
        assert found(snapshots, f"edition{number}") == ["new"]
    assert ConnectionManager.get_instance().get_stats()["dedicated_connections"] == connections


@pytest.mark.parametrize("on_a_new_shelf", [False, True])
def test_a_reader_whose_notes_made_room_for_newer_ones_is_told_to_repeat_the_command(
    engine_address: Address, tmp_path: Path, on_a_new_shelf: bool
) -> None:
    publish(engine_address, tmp_path, NOTES)
    reader = Searcher.open(engine_address, ToyEncoder())
    reader.index.ensure_kept()
    for edition in (1, 2, 3):
        notes = [{**note, "tags": [f"edition{edition}"]} for note in (NOTES if on_a_new_shelf else NOTES[:1])]
        publish(engine_address, tmp_path, [*notes, *NOTES[len(notes) :]])
    with pytest.raises(ClusterError, match=r"holds other notes by now .*; repeat the command"):
        list(reader.index.notes())
    with pytest.raises(ClusterError, match="repeat the command"):
        all_related(reader.index, 3)
    assert len(all_related(reader.newest().index, 3)) == len(NOTES)


def test_a_server_that_fell_behind_answers_from_the_newest_notes_at_once(
    engine_address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(engine_address, tmp_path, NOTES)
    monkeypatch.setattr("indexer.cluster.standing._LOOK", 3600.0)  # nobody has looked since
    snapshots = Snapshots(engine_address, ToyEncoder())
    for edition in range(3):
        publish(engine_address, tmp_path, [record("new", f"Edition {edition} of search", "")])
    assert found(snapshots, "search") == ["new"]
