"""Whom `kindred search` believes: the server that this user started, and no other that waits in its place."""

from __future__ import annotations

import hmac
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_serving import LONG, command, searches, wait_until
from toys import NOTES, ToyEncoder, write_jsonl

from indexer import build_index
from search.cli import main
from search.server.presence import Presence

posix = pytest.mark.skipif(os.name == "nt", reason="files have no owner and no mode there")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """An index with a running server, and its port."""
    root = tmp_path_factory.mktemp("served")
    build_index([write_jsonl(root / "notes.jsonl", NOTES)], root / "index", encoder=ToyEncoder())
    with command(root / "index", "--port", "0") as (_, port, _):
        wait_until((root / "index" / "server.json").exists)
        yield root / "index", port


@pytest.fixture
def index(toy_folder: Path, tmp_path: Path) -> Path:
    """A copy of an index, into which others may put what they like."""
    import shutil

    return Path(shutil.copytree(toy_folder, tmp_path / "index", ignore=shutil.ignore_patterns("server.json")))


def search(index: Path) -> str:
    """What the command prints; it finds the note, whoever answers."""
    done = CliRunner().invoke(main, ["search", "reward hacking", "--mode", "lexical", "-k", "1", "--index", str(index)])
    assert done.exit_code == 0 and "Reward hacking in practice" in done.output, done.output
    return done.output


def left(index: Path, text: str) -> Path:
    """What somebody left for `kindred search`, as if it were this user's."""
    path = index / "server.json"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return path


@contextmanager
def listening(talk: Callable[[socket.socket], Any]) -> Iterator[int]:
    """The port of a foreign server, which does with each connection as it likes."""

    def accepts() -> None:
        with suppress(OSError):
            while True:
                with listener.accept()[0] as connection, suppress(OSError):
                    connection.settimeout(LONG)
                    talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accepts)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()


SECRET = "that-of-a-server-that-is-gone"  # noqa: S105


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
def test_another_server_on_the_port_of_one_that_died_learns_neither_the_query_nor_the_secret(
    index: Path, status: str
) -> None:
    heard: list[bytes] = []
    forged = json.dumps({"hits": [], "grade": None, "suggestion": None}).encode()

    def talk(connection: socket.socket) -> None:
        for _ in range(2):
            heard.append(connection.recv(65_536))
            proof = hmac.new(b"guessed", heard[-1], "sha256").hexdigest()
            head = f"HTTP/1.1 {status}\r\nKindred-Proof: {proof}\r\nContent-Length: {len(forged)}\r\n\r\n"
            connection.sendall(head.encode() + forged)

    with listening(talk) as port:
        left(index, json.dumps({"pid": os.getpid(), "address": "127.0.0.1", "port": port, "secret": SECRET}))
        search(index)
    said = b"".join(heard)
    assert said.startswith(b"GET /api/health HTTP/1.1\r\n")  # it was asked
    assert b"reward" not in said and b"hacking" not in said and SECRET.encode() not in said


def test_who_passes_the_question_on_to_the_true_server_is_not_believed(served: tuple[Path, int], index: Path) -> None:
    folder, true_port = served
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", true_port), timeout=LONG) as true:
            while data := connection.recv(65_536):
                heard.append(data)
                true.sendall(data)
                connection.sendall(true.recv(65_536))

    known = json.loads((folder / "server.json").read_text("utf-8"))
    before = searches(true_port)
    with listening(talk) as port:
        left(index, json.dumps({**known, "pid": os.getpid(), "port": port}))
        search(index)
    assert heard and b"reward" not in b"".join(heard)
    assert searches(true_port) == before
    left(index, json.dumps(known))  # while at its own port it is
    search(index)
    assert searches(true_port) == before + 1


@posix
@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o660, 0o602])
def test_a_file_that_others_can_read_or_write_leads_nowhere(served: tuple[Path, int], index: Path, mode: int) -> None:
    folder, port = served
    before = searches(port)
    left(index, (folder / "server.json").read_text("utf-8")).chmod(mode)
    search(index)
    assert searches(port) == before


@posix
def test_a_file_that_another_user_made_leads_nowhere(served: tuple[Path, int], index: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a file another user's")
    folder, port = served
    before = searches(port)
    os.chown(left(index, (folder / "server.json").read_text("utf-8")), 12_345, 12_345)
    search(index)
    assert searches(port) == before


@posix
def test_neither_a_link_nor_a_pipe_nor_a_folder_nor_an_endless_file_in_its_place_leads_anywhere(
    served: tuple[Path, int], index: Path
) -> None:
    folder, port = served
    place = index / "server.json"
    before = searches(port)
    place.symlink_to(folder / "server.json")
    search(index)
    place.unlink()
    os.mkfifo(place, 0o600)
    search(index)
    place.unlink()
    place.mkdir(0o700)
    search(index)
    place.rmdir()
    with left(index, "").open("r+b") as file:
        file.truncate(2**40)  # a file of holes
    search(index)
    assert searches(port) == before


@posix
def test_a_server_writes_through_no_link_that_waits_in_its_folder_and_takes_away_nothing_of_others(
    index: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", "utf-8")
    for name in ("server.json", f".server.json.{os.getpid()}"):
        (index / name).symlink_to(precious)
    presence = Presence(index)
    presence.announce("127.0.0.1", 8000)
    made = index / "server.json"
    assert precious.read_text("utf-8") == "mine" and not made.is_symlink()
    assert made.stat().st_mode & 0o777 == 0o600
    made.unlink()
    os.mkfifo(made, 0o600)
    presence.withdraw()  # does not wait for a writer, nor remove what is not its own
    assert made.exists()
    made.unlink()
    presence.announce("127.0.0.1", 8000)
    presence.withdraw()
    assert sorted(path.name for path in index.iterdir() if "server.json" in path.name) == [
        f".server.json.{os.getpid()}"
    ]


def test_a_challenge_tells_nothing_without_the_secret_and_is_answered_differently_each_time(
    served: tuple[Path, int],
) -> None:
    folder, port = served
    secret = json.loads((folder / "server.json").read_text("utf-8"))["secret"]

    def answer(challenge: str) -> str:
        connection = HTTPConnection("127.0.0.1", port, timeout=LONG)
        connection.request("GET", "/api/health", headers={"kindred-challenge": challenge})
        found = connection.getresponse()
        connection.close()
        assert found.status == 204
        return str(found.headers["kindred-proof"])

    expected = hmac.new(secret.encode(), f"abc 127.0.0.1 {port}".encode(), "sha256").hexdigest()
    assert answer("abc") == expected != answer("abd")
