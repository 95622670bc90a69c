"""An engine that goes away and comes back, under a server of ours."""

from __future__ import annotations

from pathlib import Path

from servers import started
from starlette.testclient import TestClient
from toys import NOTES, ToyEncoder, write_jsonl

from indexer.cluster.address import Address
from indexer.cluster.build import build_on
from search.server.app import create_app


def test_while_its_engine_is_away_a_server_answers_with_503_and_a_sentence_and_goes_on_afterwards(
    tmp_path: Path,
) -> None:
    engine = started("lite2", tmp_path / "engine")
    address = Address.parse(f"{engine.address}/notes")
    build_on([write_jsonl(tmp_path / "notes.jsonl", NOTES)], address, encoder=ToyEncoder())
    app = create_app(address, encoder=ToyEncoder())
    with TestClient(app, "http://127.0.0.1") as client:
        before = client.get("/api/search?q=reward").json()["hits"]
        assert before
        engine.kill()
        answer = client.get("/api/search?q=policy")
        assert answer.status_code == 503
        assert str(address) in answer.json()["detail"]
        engine.start()
        assert client.get("/api/search?q=reward&k=9").json()["hits"][: len(before)] == before
    engine.kill()
