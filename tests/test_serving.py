"""`kindred serve` as a process or a server of its own: new generations, its ports, its log, and how it stops."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import uvicorn
from click.testing import CliRunner
from starlette.testclient import TestClient
from toys import NOTES, ToyEncoder, near, record, tiny_bert, write_jsonl

from indexer import build_index
from indexer.encoders import NumpyEncoder
from search.cli import main
from search.server.app import create_app
from search.server.snapshot import Snapshots

LONG = 60  # seconds after which a condition counts as never met


def wait_until(condition: Callable[[], Any]) -> Any:
    """The first true value of ``condition``."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("never happened")


@contextmanager
def connected(port: int) -> Iterator[Callable[[str], tuple[int, bytes]]]:
    """Asks for paths on one connection: status and body."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=LONG)) as connection:

        def ask(path: str) -> tuple[int, bytes]:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

        yield ask


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """The port on which ``app`` is served by a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def command(index: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int, list[str]]]:
    """A running `kindred serve`, its port, and the lines of its log so far."""
    words = [sys.executable, "-m", "search.cli", "serve", "--index", str(index), *options]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,))
    reader.start()
    try:
        wait_until(lambda: lines or process.poll() is not None)
        found = re.search(r"http://127\.0\.0\.1:(\d+)", lines[0])
        assert found, lines
        yield process, int(found[1]), lines
    finally:
        process.terminate()
        process.wait(LONG)
        reader.join()
        process.stderr.close()


def edition(number: int) -> list[dict[str, Any]]:
    return [record(f"n{i}", f"Reward {i} of edition {number}", "A policy and its critic.") for i in range(8)]


def test_no_answer_fails_or_mixes_generations_while_new_ones_are_published(tmp_path: Path) -> None:
    editions: dict[str, int] = {}

    def publish(number: int) -> str:
        write_jsonl(tmp_path / "notes.jsonl", edition(number))
        report = build_index([tmp_path / "notes.jsonl"], tmp_path / "index", encoder=ToyEncoder())
        editions[report.generation] = number
        return report.generation

    publish(0)
    answers: list[tuple[int, Any]] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def client(path: str) -> None:
        try:
            with connected(port) as ask:
                number = 0
                while not done.is_set():
                    number += 1
                    status, body = ask(f"{path}{number % 7}")  # some from memory, some not
                    answers.append((status, json.loads(body)))
        except BaseException as error:  # whatever it is, the test must not pass
            failures.append(error)

    with serving(create_app(tmp_path / "index", encoder=ToyEncoder())) as port:
        # What only Whoosh can decide is read from the disk at each request: its files are gone two generations later.
        paths = ["/api/search?q=reward&k=1", "/api/search?q=%22its%20critic%22%20edition&k=1", "/api/notes?limit=1"]
        threads = [threading.Thread(target=client, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        last = ""
        for number in range(1, 7):
            last = publish(number)
        seen = len(answers)
        wait_until(lambda: failures or any(body.get("generation") == last for _, body in answers[seen:]))
        done.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert {status for status, _ in answers} == {200}
    assert len({body["generation"] for _, body in answers}) >= 3
    for _, body in answers:
        of = f"of edition {editions[body['generation']]}"
        assert all(found["title"].endswith(of) for found in body.get("hits") or body["notes"])
        assert body.get("hits") or body["notes"]


def test_an_old_snapshot_is_let_go_when_its_last_request_ends(tmp_path: Path) -> None:
    build_index([write_jsonl(tmp_path / "notes.jsonl", edition(0))], tmp_path / "index", encoder=ToyEncoder())
    snapshots = Snapshots(tmp_path / "index", ToyEncoder())
    held = snapshots.current
    held.searcher.search('"its critic"')
    index = weakref.ref(held.searcher.index)
    build_index([write_jsonl(tmp_path / "notes.jsonl", edition(1))], tmp_path / "index", encoder=ToyEncoder())
    snapshots.look()
    assert snapshots.current is not held
    assert held.searcher.search("reward", 1)[0].note.title.endswith("of edition 0")
    del held
    assert index() is None


def test_a_question_is_answered_from_the_snapshot_it_began_with_though_its_files_are_gone(tmp_path: Path) -> None:
    def publish(number: int) -> None:
        write_jsonl(tmp_path / "notes.jsonl", edition(number))
        build_index([tmp_path / "notes.jsonl"], tmp_path / "index", encoder=ToyEncoder())

    publish(0)
    snapshots = Snapshots(tmp_path / "index", ToyEncoder())
    held = snapshots.current
    publish(1)
    publish(2)  # the files of edition 0 are gone, and still mapped
    titles, answered = snapshots.ask(
        lambda snapshot: [hit.note.title for hit in snapshot.searcher.search('"its critic"', 1)], held
    )
    assert titles[0].endswith("of edition 0")
    assert answered is held


def test_a_damaged_newest_generation_leaves_the_one_before_in_place(tmp_path: Path) -> None:
    build_index([write_jsonl(tmp_path / "notes.jsonl", NOTES)], tmp_path / "index", encoder=ToyEncoder())
    snapshots = Snapshots(tmp_path / "index", ToyEncoder())
    manifest = tmp_path / "index" / "manifest.json"
    sound = manifest.read_text("utf-8")
    manifest.write_text("{", "utf-8")
    snapshots.look()
    assert snapshots.problem is not None and "damaged" in snapshots.problem
    assert snapshots.current.searcher.search("reward")
    manifest.write_text(sound, "utf-8")
    snapshots.look()
    assert snapshots.problem is None


def test_a_server_is_ready_again_once_the_encoder_is_there_that_it_lacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.server.snapshot._AGAIN", 0.0)
    known, other = tiny_bert(tmp_path / "known"), tiny_bert(tmp_path / "other", layers=1)
    notes = write_jsonl(tmp_path / "notes.jsonl", NOTES)

    def publish(model: Path) -> None:
        build_index([notes], tmp_path / "index", encoder=NumpyEncoder(str(model), model))

    publish(known)
    snapshots = Snapshots(tmp_path / "index")
    for comes_back in (False, True):
        publish(other)
        other.rename(tmp_path / "away")
        snapshots.look()
        assert snapshots.lack is not None and str(other) in snapshots.lack
        assert snapshots.current.searcher.search("reward", mode="lexical")
        snapshots.look()
        assert snapshots.lack is not None
        (tmp_path / "away").rename(other)
        if not comes_back:  # the index is built by the known one again
            publish(known)
        snapshots.look()
        assert snapshots.lack is None
        assert snapshots.current.searcher.search("reward", mode="semantic")


@pytest.mark.skipif(os.name == "nt", reason="no signals that a program can catch")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_drops_no_request(owner_index: Path, stop: signal.Signals) -> None:
    with command(owner_index, "--port", "0", "--log", "json") as (process, port, lines):
        statuses: list[int] = []

        def client(number: int) -> None:
            with connected(port) as ask:
                statuses.append(ask(f"/api/search?q={quote(f'how do models reason {number} ' * 30)}")[0])

        threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()

        def are_in_progress() -> bool:
            with connected(port) as ask:
                known = re.search(rb"^kindred_requests_in_progress (\d+)", ask("/metrics")[1], re.MULTILINE)
            assert known is not None
            return int(known[1]) + len(statuses) > len(threads)  # this request is one

        wait_until(are_in_progress)
        process.send_signal(stop)
        for thread in threads:
            thread.join()
        assert process.wait(LONG) == 0
    assert statuses == [200] * 6
    records = [json.loads(line) for line in lines]
    assert {"path": "/api/search", "status": 200}.items() <= records[-1].items()
    assert not any("how do models" in line for line in lines)  # what was asked stays between the two


def test_a_port_that_is_taken_is_passed_over_unless_it_was_named(toy_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(main, ["serve", "--index", str(toy_folder), "--port", port])
        assert (done.exit_code, port in done.output) == (1, True)
    with command(toy_folder) as (_, first, _), command(toy_folder, "--log", "off") as (_, second, _):
        assert {first, second} <= set(range(8000, 8100)) and first != second
        with connected(second) as ask:
            assert json.loads(ask("/api/notes/memory%2Dsearch")[1])["title"] == "Memory and search"
            assert b"'%2F'" in ask("/api/notes/%252F")[1]  # decoded once
        with closing(HTTPConnection("127.0.0.1", second, timeout=LONG)) as connection:
            connection.request("HEAD", "/api/topics")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")


def test_serving_other_machines_without_a_token_is_refused(toy_folder: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.2", "::", "notes.local"):  # noqa: S104
        done = CliRunner().invoke(main, ["serve", "--index", str(toy_folder), "--host", host])
        assert (done.exit_code, "--token" in done.output) == (2, True)


def test_what_is_no_origin_is_not_let_in() -> None:
    for origin in ("*", "notes.example.org", "https://notes.example.org/", "https://"):
        done = CliRunner().invoke(main, ["serve", "--cors", origin])
        assert (done.exit_code, "--cors" in done.output) == (2, True)


def test_serving_nothing_says_what_to_type(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["serve", "--index", str(tmp_path)])
    assert (done.exit_code, f"kindred index --index {tmp_path}" in done.output) == (1, True)


@pytest.fixture(scope="module")
def served_index(owner_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """An index of the owner's notes with a server, and its port."""
    folder = tmp_path_factory.mktemp("served") / "index"
    shutil.copytree(owner_index, folder)
    with command(folder, "--log", "off", "--token", "opensesame") as (_, port, _):
        wait_until((folder / "server.json").exists)
        yield folder, port


@pytest.mark.parametrize("how", [(), ("--no-server",)])
@pytest.mark.parametrize(
    "words",
    [
        ("reward hacking", "-k", "3"),
        ("why do modles reason badly?", "--explain", "--json"),
        ("how to bake bread", "--mode", "semantic", "--explain", "-k", "2"),
        ("verifiable rew", "--typing", "--mode", "lexical", "--json"),
        ('"no such phrase at all"',),
        ("topic:",),
        ("reward", "-k", "150", "--mode", "lexical", "--json"),  # more than a server gives
    ],
)
def test_a_search_is_the_same_with_a_server_and_without(
    served_index: tuple[Path, int], owner_index: Path, words: tuple[str, ...], how: tuple[str, ...]
) -> None:
    done = CliRunner().invoke(main, ["search", *words, *how, "--index", str(served_index[0])])
    alone = CliRunner().invoke(main, ["search", *words, "--index", str(owner_index)])
    assert (done.exit_code, done.stderr) == (alone.exit_code, alone.stderr)
    if "--json" in words:
        assert [*map(json.loads, done.stdout.splitlines())] == near([*map(json.loads, alone.stdout.splitlines())])
    else:
        assert done.stdout == alone.stdout


def searches(port: int) -> float:
    """How many searches a server has answered well."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=LONG)) as connection:
        connection.request("GET", "/metrics", headers={"authorization": "Bearer opensesame"})
        text = connection.getresponse().read()
    known = re.search(rb'^kindred_requests_total{route="/api/search",status="200"} (\S+)', text, re.MULTILINE)
    return float(known[1]) if known else 0


def test_a_running_server_is_asked_unless_it_is_declined(served_index: tuple[Path, int]) -> None:
    folder, port = served_index

    def counted(*options: str, **environment: str) -> float:
        before = searches(port)
        assert CliRunner().invoke(main, ["search", "reward", "--index", str(folder), *options], env=environment).output
        return searches(port) - before

    assert [counted(), counted("--no-server"), counted(KINDRED_NO_SERVER="1"), counted("--json")] == [1, 0, 0, 1]


def test_a_search_that_is_served_imports_neither_numpy_nor_the_indexer(served_index: tuple[Path, int]) -> None:
    code = (
        "from click.testing import CliRunner; from search.cli import main; import sys\n"
        f"done = CliRunner().invoke(main, ['search', 'reward', '--index', {str(served_index[0])!r}])\n"
        "assert done.exit_code == 0 and ' 1. ' in done.output, done.output\n"
        "assert not {'numpy', 'indexer'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_search_sees_what_was_published_a_moment_ago(tmp_path: Path) -> None:
    build_index([write_jsonl(tmp_path / "notes.jsonl", edition(0))], tmp_path / "index", encoder=ToyEncoder())
    with command(tmp_path / "index") as (_, port, _):
        wait_until((tmp_path / "index" / "server.json").exists)
        for number in (1, 2, 3):
            write_jsonl(tmp_path / "notes.jsonl", edition(number))
            build_index([tmp_path / "notes.jsonl"], tmp_path / "index", encoder=ToyEncoder())
            words = ["search", "reward", "--mode", "lexical", "-k", "1", "--index", str(tmp_path / "index")]
            assert f"of edition {number}" in CliRunner().invoke(main, words).output
        assert searches(port) == 3
    assert not (tmp_path / "index" / "server.json").exists()


@pytest.mark.parametrize(
    "left",
    [
        "",
        "[]",
        "{}",
        '{"pid": 1e99, "address": "127.0.0.1", "port": 1, "secret": "x"}',
        '{"pid": %d, "address": "127.0.0.1", "port": 1, "secret": "x"}',  # nobody listens
        '{"pid": %d, "address": "127.0.0.1", "port": %d, "secret": "that of another index"}',
        '{"pid": %d, "address": "127.0.0.1", "port": %d, "secret": "line\\r\\nbreak"}',
        '{"pid": %d, "address": 5, "port": "x", "secret": null}',
    ],
)
def test_what_another_server_left_behind_is_passed_over(
    left: str, served_index: tuple[Path, int], tmp_path: Path
) -> None:
    build_index([write_jsonl(tmp_path / "notes.jsonl", edition(0))], tmp_path / "index", encoder=ToyEncoder())
    values = (os.getpid(), served_index[1])[: left.count("%d")]
    (tmp_path / "index" / "server.json").write_text(left % values, "utf-8")
    (tmp_path / "index" / "server.json").chmod(0o600)
    words = ["search", "reward", "--mode", "lexical", "-k", "1", "--index", str(tmp_path / "index")]
    assert "of edition 0" in CliRunner().invoke(main, words).output


def test_a_server_keeps_no_files_of_generations_that_nobody_asks_any_more(tmp_path: Path) -> None:
    """Whatever was asked, an index is let go without the collector of cycles, which comes by rarely."""

    def publish(number: int) -> None:
        write_jsonl(tmp_path / "notes.jsonl", edition(number))
        build_index([tmp_path / "notes.jsonl"], tmp_path / "index", encoder=ToyEncoder())

    asked = [
        [
            "/",
            "/map.html",
            "/topics.html",
            "/notes/n1.html",
            "/api/search?q=reward",
            "/api/search?q=%22its%20critic%22",
        ],
        ["/api/suggest?q=rew", "/api/notes/n1/related", "/api/info", "/api/topics"],
        ["/api/why?q=reward&note=n1", "/notes/none.html", "/api/notes/nobody", "/api/search?q=topic:"],
    ]
    publish(0)
    app = create_app(tmp_path / "index", encoder=ToyEncoder())
    (snapshots,) = (
        held
        for held in gc.get_objects()
        if type(held) is Snapshots and held.current.searcher.index.where() == str(tmp_path / "index")
    )
    with TestClient(app, "http://127.0.0.1") as client:
        gc.collect()
        gc.disable()
        try:
            for number, paths in enumerate(asked, start=1):
                index = weakref.ref(snapshots.current.searcher.index)
                for path in paths:
                    assert client.get(path).status_code in (200, 400, 404)
                publish(number)
                snapshots.look()
                client.get("/api/health")
                assert index() is None, paths
        finally:
            gc.enable()
