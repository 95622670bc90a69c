"""The API, asked in this process: what it answers, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient
from toys import ToyEncoder

from search.cli import main
from search.server.app import create_app

HERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def client(toy_folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(toy_folder, encoder=ToyEncoder()), HERE) as client:
        yield client


@pytest.fixture(scope="module")
def owner(owner_index: Path) -> Iterator[TestClient]:
    with TestClient(create_app(owner_index), HERE) as client:
        yield client


def printed(index: Path, *words: str) -> list[dict[str, Any]]:
    """What a command prints with --json, a record a line."""
    done = CliRunner().invoke(main, [*words, "--json", "--index", str(index)])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


NOTE = "can-llms-design-reward-functions-for-reinforcement-learning"


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "semantic"])
def test_the_hits_are_those_of_the_command_line(owner: TestClient, owner_index: Path, mode: str) -> None:
    answer = owner.get("/api/search", params={"q": "why do models reason badly?", "k": 7, "mode": mode, "explain": 1})
    command = ["search", "why do models reason badly?", "-k", "7", "--mode", mode, "--explain"]
    assert answer.json()["hits"] == printed(owner_index, *command)


def test_every_other_answer_is_that_of_the_command_line(owner: TestClient, owner_index: Path) -> None:
    related = owner.get(f"/api/notes/{NOTE}/related", params={"k": 5}).json()
    assert related["related"] == printed(owner_index, "related", NOTE, "-k", "5")
    assert [owner.get(f"/api/notes/{NOTE}").json()] == printed(owner_index, "show", NOTE)
    why = owner.get("/api/why", params={"q": "reward hacking", "note": NOTE}).json()
    assert [why] == printed(owner_index, "why", "reward hacking", NOTE)
    info = owner.get("/api/info").json()
    assert info["freshness"].pop("checked")
    assert info.pop("problem") is None
    assert [info] == printed(owner_index, "info")
