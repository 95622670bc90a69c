"""The servers of these tests are what they are said to be: Milvus over gRPC, and their data outlive them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymilvus import MilvusClient
from servers import Kind, started

KINDS: list[Kind] = ["lite2", "lite3"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_killed_answers_again_with_what_it_kept(kind: Kind, tmp_path: Path) -> None:
    server = started(kind, tmp_path / "data")
    try:
        client = MilvusClient(server.address.removeprefix("milvus+"))
        client.create_collection("numbers", dimension=2, consistency_level="Strong")
        client.insert("numbers", [{"id": 7, "vector": [1.0, 0.0]}, {"id": 8, "vector": [0.0, 1.0]}])
        client.close()
        server.kill()
        server.start()
        client = MilvusClient(server.address.removeprefix("milvus+"))
        client.load_collection("numbers")
        (found,) = client.search("numbers", data=[[0.1, 0.9]], limit=1)
        assert found[0]["id"] == 8
        client.close()
    finally:
        server.kill()
