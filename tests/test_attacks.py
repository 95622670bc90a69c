"""A running server under attack, through raw sockets: no requests, endless ones, foreign ones and dear ones."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, parse_headers
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import html5lib
import pytest
import uvicorn
from starlette.testclient import TestClient
from test_serving import LONG, command, connected, wait_until
from test_site import HOSTILE
from toys import ToyEncoder, write_jsonl

from indexer import Vectors, build_index
from search.server.app import create_app
from search.server.connections import Limits, limited
from search.server.guard import Guard

HOST = b"Host: 127.0.0.1\r\n"
HEALTH = b"GET /api/health HTTP/1.1\r\n" + HOST + b"\r\n"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]  # by names in lower case
    body: bytes


@contextmanager
def dialled(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=LONG) as connection:
        yield connection


def replies(connection: socket.socket, count: int | None = None) -> list[Reply]:
    """The next ``count`` replies on a connection, or all until it is closed."""
    found: list[Reply] = []
    with connection.makefile("rb") as file, suppress(ConnectionError):
        while len(found) != count:
            line = file.readline()
            if not line:
                break
            headers = {name.lower(): value for name, value in parse_headers(file).items()}
            body = file.read(int(headers.get("content-length", 0)))
            found.append(Reply(int(line.split()[1]), headers, body))
    return found


def all_replies(port: int, sent: bytes) -> list[Reply]:
    """What comes back until the server hangs up; a server that does not hang up fails the test."""
    with dialled(port) as connection:
        with suppress(ConnectionError):
            connection.sendall(sent)
        return replies(connection)


def reply(port: int, target: str = "/api/health", *headers: str, method: str = "GET", body: bytes = b"") -> Reply:
    """The reply to one request for ``target``, as it is written."""
    lines = [f"{method} {target} HTTP/1.1", *(headers or ("Host: 127.0.0.1",)), "Connection: close", "", ""]
    (found,) = all_replies(port, "\r\n".join(lines).encode("latin-1") + body)
    return found


def from_here(*more: str) -> tuple[str, ...]:
    return ("Host: 127.0.0.1", *more)


@pytest.fixture(scope="module")
def hostile_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of hostile notes, built by the real encoder; not to be changed."""
    root = tmp_path_factory.mktemp("hostile")
    build_index([write_jsonl(root / "notes.jsonl", HOSTILE)], root / "index")
    return root / "index"


@pytest.fixture(scope="module")
def served(hostile_index: Path) -> Iterator[tuple[subprocess.Popen[str], int, list[str]]]:
    """`kindred serve` over hostile notes."""
    with command(hostile_index, "--port", "0") as found:
        yield found


@pytest.fixture
def port(served: tuple[subprocess.Popen[str], int, list[str]]) -> int:
    return served[1]


# What is no request


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
        b"GET /api/health\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /api/health HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET /api/health HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST /api/search HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\nhello" + HEALTH,
        b"POST /api/search HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\nhello" + HEALTH,
        b"POST /api/search HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + HEALTH,
        b"POST /api/search HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n" + HEALTH,
        b"POST /api/search HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello" + HEALTH,
        b"POST /api/search HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello" + HEALTH,
    ],
)
def test_what_is_no_request_gets_one_refusal_and_smuggles_nothing_in(port: int, sent: bytes) -> None:
    (found,) = all_replies(port, sent)
    assert found.status in (400, 405, 413, 421)
    assert found.headers["connection"] == "close"
    assert found.headers["content-type"] == "application/problem+json"
    assert json.loads(found.body)["status"] == found.status


def test_headers_that_never_end_are_refused_and_not_kept(port: int) -> None:
    with dialled(port) as connection:
        with suppress(ConnectionError):
            connection.sendall(b"GET /api/health HTTP/1.1\r\n" + HOST)
            while True:
                connection.sendall(b"X-More: " + b"a" * 8_000 + b"\r\n")
        (found,) = replies(connection)
    assert found.status == 431
    for length, status in ((1_001, 422), (62_000, 414), (70_000, 414)):
        assert reply(port, "/api/search?q=" + "a" * length).status == status
    assert reply(port, "/api/search?q=" + "a" * 5_000_000).status in (414, 431)  # as it comes in pieces


@pytest.mark.parametrize("length", [b"Content-Length: 1000000000000", b"Transfer-Encoding: chunked"])
def test_a_body_that_never_ends_is_not_read(port: int, length: bytes) -> None:
    with dialled(port) as connection:
        with suppress(ConnectionError):
            connection.sendall(b"POST /api/search HTTP/1.1\r\n" + HOST + length + b"\r\n\r\n")
            while True:
                connection.sendall(b"2000\r\n" + b"a" * 0x2000 + b"\r\n")
        (found,) = replies(connection)
    assert (found.status, found.headers["connection"]) == (413, "close")


def test_requests_that_come_all_at_once_are_answered_in_their_order(port: int) -> None:
    wanted = ["/api/health", "/api/nothing", "/api/topics", "/api/search?q=reward"] * 10
    with dialled(port) as connection:
        connection.sendall(b"".join(b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), HOST) for path in wanted))
        found = replies(connection, len(wanted))
    assert [one.status for one in found] == [200, 404, 200, 200] * 10
    assert all(b"hits" in one.body for one in found[3::4])


@pytest.mark.parametrize(
    "asked",
    [
        b"Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13",
        b"Upgrade: h2c",
    ],
)
def test_another_protocol_is_declined_by_an_answer_in_this_one(port: int, asked: bytes) -> None:
    for target, status in ((b"/api/health", 200), (b"/api/live", 404)):
        sent = b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\n" + asked + b"\r\n\r\n"
        with dialled(port) as connection:
            connection.sendall(sent)
            (found,) = replies(connection, 1)
        assert (found.status, "upgrade" in found.headers) == (status, False)


# Who asks for what


@pytest.mark.parametrize(
    "target",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../../cli.py",
        "/assets/..%2f..%2f..%2fcli.py",
        "/assets/%252e%252e%252fassets.py",
        "/assets/..\\..\\assets.py",
        "/assets/..%5c..%5cassets.py",
        "/assets//etc/passwd",
        "/assets/site.css%00",
        "/assets/%00",
        "/notes/..%2f..%2fmanifest.json",
        "/topics/..%2fmanifest.json",
        "/api/notes/..%2f..%2fmanifest.json",
        "/api/notes/%00",
        "/manifest.json",
        "/server.json",
        "//etc/passwd",
        "/.git/config",
    ],
)
def test_no_address_leads_to_a_file_of_the_machine(port: int, target: str) -> None:
    found = reply(port, target)
    assert found.status == 404
    assert b"root:" not in found.body and b"import " not in found.body and b'"format"' not in found.body


def test_a_whole_uri_names_the_host_whatever_host_says(port: int) -> None:
    assert reply(port, "http://evil.example/api/health").status == 421
    assert reply(port, f"http://127.0.0.1:{port}/api/health", "Host: evil.example").status == 200
    assert reply(port, "http://[::1]:8000/api/health", "Host: evil.example").status == 200
    assert reply(port, "*", method="OPTIONS").status >= 400


def test_a_name_that_was_pointed_here_gets_nothing(port: int) -> None:
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1@evil.example", "127.0.0.1, evil.example", "0"):
        for target in ("/", "/api/search?q=reward", "/metrics", "/api/health", "/assets/site.css"):
            assert reply(port, target, f"Host: {host}").status == 421
    assert reply(port, "/api/health", "Host: 127.0.0.1", "Host: evil.example").status == 400
    assert reply(port, "/api/health", "X: no host at all").status == 421


@pytest.mark.parametrize("target", ["/api/search?q=reward", "/api/notes?limit=1", "/assets/page.js", "/", "/metrics"])
def test_a_page_of_another_site_can_neither_load_nor_frame_anything(port: int, target: str) -> None:
    def status(*headers: str, method: str = "GET", body: bytes = b"") -> int:
        return reply(port, target, *from_here(*headers), method=method, body=body).status

    for site in ("cross-site", "same-site"):
        for mode, goal in (("no-cors", "script"), ("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")):
            assert status(f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {goal}") == 403
    followed = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert status(*followed) == 200  # a link to a note may stand anywhere
    for site in ("same-origin", "none"):
        assert status(f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script") == 200
    evil = "Origin: http://evil.example"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        form = (evil, f"Content-Type: {kind}", "Content-Length: 3")
        assert status(*form, *followed, method="POST", body=b"a=b") == 403
        assert status(*form[1:], method="POST", body=b"a=b") == 405
    asks = (evil, "Access-Control-Request-Method: GET", "Access-Control-Request-Private-Network: true")
    preflight = reply(port, target, *from_here(*asks), method="OPTIONS")
    assert preflight.status == 403
    assert not [name for name in preflight.headers if name.startswith("access-control-allow")]


# What comes back


def test_every_answer_tells_browsers_that_it_runs_nothing_of_others(port: int) -> None:
    title = quote(HOSTILE[0]["title"], safe="")
    answers = [
        reply(port, "/"),
        reply(port, "/notes/none.html"),
        reply(port, "/assets/page.js"),
        reply(port, "/api/search?q=reward"),
        reply(port, "/api/info"),
        reply(port, "/metrics"),
        reply(port, f"/api/notes/{title}x"),
        reply(port, f"/{title}"),
        reply(port, f"/api/search?{title}={title}"),
        reply(port, "/api/search?q=topic:"),
        reply(port, "/api/health", "Host: evil.example"),
        reply(port, "/api/search?q=a", *from_here("Kindred-Secret: wrong")),
        reply(port, "/api/search", method="POST"),
    ]
    assert [one.status for one in answers] == [200, 404, 200, 200, 200, 200, 404, 404, 422, 400, 421, 421, 405]
    for one in answers:
        policy = one.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["referrer-policy"] == "same-origin"
        assert one.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in one.headers and "access-control-allow-origin" not in one.headers


def test_markup_in_any_field_is_text_on_every_page(port: int) -> None:
    notes = json.loads(reply(port, "/api/notes?limit=1000").body)["notes"]
    assert [note["title"] for note in notes] == [note["title"] for note in HOSTILE]
    pages = ["/", "/map.html", "/topics.html", "/notes/%3Cscript%3Ealert(1).html"]
    for note in notes:
        leads = reply(port, f"/notes/?id={quote(note['id'], safe='')}")
        assert leads.status == 307
        pages.append(f"/notes/{leads.headers['location']}")
    for path in pages:
        found = reply(port, path)
        assert found.headers["content-type"] == "text/html; charset=utf-8"
        tree = html5lib.parse(found.body, namespaceHTMLElements=False)
        for element in tree.iter():
            if not isinstance(element.tag, str):
                continue  # a comment
            assert element.tag not in ("iframe", "object", "embed", "base", "img", "style")
            assert not [name for name in element.attrib if str(name).lower().startswith("on")]
            for name in ("href", "src", "action", "formaction"):
                assert not element.attrib.get(name, "").lower().strip().startswith(("javascript:", "data:text"))
            if element.tag == "script":
                assert re.fullmatch(r"(\.\./)?assets/[a-z-]+\.js", element.attrib["src"]) and not element.text


def test_a_line_break_in_an_id_adds_no_header(port: int) -> None:
    evil = "a%0d%0aSet-Cookie:%20stolen=1%0d%0a%0d%0a<script>"
    for target in (f"/notes/?id={evil}", f"/api/notes/{evil}", f"/{evil}", f"/api/search?q={evil}"):
        found = reply(port, target, *from_here(f'If-None-Match: "{evil}"'))
        assert "set-cookie" not in found.headers
        assert found.status in (200, 307, 404)
        assert found.headers.get("location", "").isprintable()
    # Of the generation, which stands in two headers, nothing but hexadecimal digits is ever opened; see the manifest.
    assert re.fullmatch(r"[0-9a-f-]+", reply(port, "/api/search?q=a").headers["kindred-generation"])


@pytest.mark.parametrize("form", ["plain", "json"])
def test_no_path_writes_a_line_of_its_own_into_the_log(toy_folder: Path, form: str) -> None:
    forged = "%0a200%20%20%20%20%200.1%20ms%20%20GET%20/forged%0d%1b[31m%1b]0;title%07%c2%9b%e2%80%ae%e2%80%a8"
    with command(toy_folder, "--port", "0", "--log", form) as (_, port, lines):
        begun = wait_until(lambda: len(lines))
        assert reply(port, f"/api/{forged}").status == 404
        reply(port)
        wait_until(lambda: "/api/health" in lines[-1])
        written = lines[begun:]
    (line,) = (line for line in written if "forged" in line)
    assert line.rstrip("\n").isprintable()
    assert not [line for line in written if line.startswith("200 ") and "/forged" in line]


def test_the_token_is_in_no_log_no_answer_and_no_file_and_no_address_takes_it(
    toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "open-sesame-Zq3"  # noqa: S105
    monkeypatch.setenv("KINDRED_TOKEN", token)
    with command(toy_folder, "--port", "0", "--log", "json") as (process, port, lines):
        bearer = from_here(f"Authorization: Bearer {token}")
        assert reply(port, "/api/topics", *bearer).status == 200
        refused = [
            reply(port, "/api/topics"),
            reply(port, "/api/topics", *from_here(f"Authorization: Bearer {token}x")),
            reply(port, "/api/topics", *from_here(f"Authorization: Bearer {token[:-1]}")),
            reply(port, "/api/topics", *from_here("Authorization: Bearer " + "ÿ" * 15)),
            reply(port, f"/api/topics?token={token}"),
            reply(port, "/api/topics", *from_here(f"Cookie: token={token}")),
        ]
        assert [one.status for one in refused] == [401] * 6
        assert not [one for one in refused if token.encode() in one.body]
        assert token not in (toy_folder / "server.json").read_text("utf-8")
        wait_until(lambda: len(lines) >= 8)
        if sys.platform == "linux":
            assert token not in Path(f"/proc/{process.pid}/cmdline").read_text("utf-8")
    assert not [line for line in lines if token in line]


def test_a_token_is_not_compared_sign_by_sign() -> None:
    class Secret(bytes):
        """Says whether anything compares it in the way that stops at the first difference."""

        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared in a time that tells how much was right")

        __ne__ = __eq__

        def startswith(self, *_: Any) -> bool:
            raise AssertionError

    class Token(str):
        __hash__ = None  # type: ignore[assignment]

        def encode(self, *_: Any) -> bytes:
            return Secret(b"opensesame")

        __eq__ = __ne__ = Secret.__eq__  # type: ignore[assignment]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    client = TestClient(Guard(app, "127.0.0.1", Token()), "http://127.0.0.1")
    for given, status in (("opensesame", 200), ("opensesamE", 401), ("o", 401), ("", 401)):
        assert client.get("/", headers={"authorization": f"Bearer {given}"}).status_code == status


# What costs


def test_two_thousand_idle_connections_and_slow_ones_keep_nobody_from_an_answer(
    served: tuple[subprocess.Popen[str], int, list[str]],
) -> None:
    process, port, _ = served
    many = 2_000 if sys.platform == "linux" else 150  # elsewhere a program may open 256 files
    with ExitStack() as stack:
        if sys.platform == "linux":
            import resource

            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            if hard != resource.RLIM_INFINITY and hard < many + 200:
                pytest.skip(f"this user may open {hard} files only")
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many + 200), hard))
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        idle = []
        for number in range(many):
            idle.append(stack.enter_context(dialled(port)))
            if number % 2:
                idle[-1].sendall(b"GET /api/search?q=reward HTTP/1.1\r\nHost: 127")  # and nothing more
            if number % 200 == 0:
                assert reply(port, f"/api/search?q=reward%20{number}").status == 200
        assert reply(port).status == 200
        if sys.platform == "linux":
            most = Limits().connections + 100  # files of its own
            wait_until(lambda: sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir()) < most)
            idle[0].settimeout(LONG)
            with suppress(ConnectionError):
                assert idle[0].recv(1) == b""  # the first to come had said nothing for longest
    assert reply(port).status == 200


EXPENSIVE = [
    "q=" + quote(" ".join(f"{letter}{other}*" for letter in "abcdefghijklmnop" for other in "aeiou") * 4)[:3_000],
    "q=" + quote(" ".join(["rewrad~2"] * 110)),
    "q=" + quote(" OR ".join(["a*b", "re*", '"a policy"', "-x", "hack~2"] * 25)),
    "q=" + quote("(" * 20 + "reward OR " * 80 + "x" + ")" * 20),
    "q=" + quote("(" * 500 + ")" * 500),
    "q=" + quote('"' * 1_000),
    "q=" + quote("-(" * 20 + "reward" + ")" * 20 + " a" * 400),
    "q=" + quote(" ".join(f"w{number}" for number in range(190))),
    "q=" + quote("topic:a*" * 120),
    "q=" + quote("re*" * 300) + "&typing=true&explain=true&k=100",
    "q=" + quote("\u0301" * 1_000),
    "q=" + quote("𝒶" * 1_000),
    "q=" + quote("a" * 1_000),
    "q=a" + "&topic=" + "&topic=".join(quote('" OR "' * 20) for _ in range(10)),
]


def test_the_dearest_queries_are_answered_and_hold_up_nobody(port: int) -> None:
    statuses: dict[str, int] = {}

    def asking(query: str) -> None:
        for mode in ("lexical", "hybrid"):
            statuses[f"{mode} {query}"] = reply(port, f"/api/search?{query}&mode={mode}").status
        statuses[f"suggest {query}"] = reply(port, f"/api/suggest?{query.partition('&')[0]}").status

    threads = [threading.Thread(target=asking, args=(query,)) for query in EXPENSIVE]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert reply(port).status == 200  # beside all of them
    for thread in threads:
        thread.join()
    assert len(statuses) == 3 * len(EXPENSIVE)
    assert set(statuses.values()) <= {200, 400, 422}, statuses
    for beyond in ("q=a&k=10000000", "q=" + "a" * 1_001, "q=a" + "&topic=a" * 11, "q=a&k=-1", "q=a&k=1e9"):
        assert reply(port, f"/api/search?{beyond}").status == 422
    assert reply(port, "/api/notes?limit=10000000").status == 422
    assert reply(port, "/api/notes?offset=" + "9" * 30).status == 422


@contextmanager
def limits_of(app: Any, limits: Limits) -> Iterator[tuple[int, uvicorn.Server]]:
    """The port on which ``app`` is served by a thread, its connections within ``limits``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=limited(limits), ws="none", log_config=None, timeout_keep_alive=3_600)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield listener.getsockname()[1], server
        finally:
            server.should_exit = True
            thread.join()


def small_app(size: int = 2, wait: Callable[[], Awaitable[Any]] | None = None) -> Any:
    """An application that reads its requests and answers each with ``size`` bytes, when ``wait`` is over."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        if wait is not None:
            await wait()
        headers = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * size})

    return app


SHORT = Limits(head_seconds=0.3, body_seconds=0.3, unread_seconds=0.3, head_bytes=20_000, message_bytes=300_000)


def dripping(connection: socket.socket, drop: bytes) -> None:
    """Send ``drop`` again and again, until the other side has had enough."""
    with suppress(ConnectionError):
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            connection.sendall(drop)
            time.sleep(0.02)
        raise AssertionError("it was let drip for ever")


@pytest.mark.parametrize(
    "begun, drop",
    [
        (b"GET /api/health HTT", b""),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (HEALTH + b"G", b""),  # a second one
        (b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: trailer\r\n"),
    ],
)
def test_who_sends_a_request_drop_by_drop_is_told_that_the_time_is_over(begun: bytes, drop: bytes) -> None:
    with limits_of(small_app(), SHORT) as (port, server), dialled(port) as connection:
        connection.sendall(begun)
        if drop:
            dripping(connection, drop)
        *before, last = replies(connection)
        assert [one.status for one in before] == [200] * begun.startswith(HEALTH)
        assert (last.status, last.headers["connection"]) == (408, "close")
        wait_until(lambda: not server.server_state.connections)


def test_who_connects_and_says_nothing_is_hung_up_on_without_a_word() -> None:
    with limits_of(small_app(), SHORT) as (port, _), dialled(port) as connection:
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "begun, drop, status",
    [
        (b"GET / HTTP/1.1\r\n", b"X: " + b"y" * 4_000 + b"\r\n", 431),
        (b"\r\n" * 30_000, b"", 431),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"a" * 4_096 + b"\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: " + b"y" * 4_000 + b"\r\n", 413),
    ],
)
def test_what_is_too_large_is_refused_where_a_program_reads_bodies_too(begun: bytes, drop: bytes, status: int) -> None:
    patient = Limits(head_seconds=LONG, body_seconds=LONG, head_bytes=20_000, message_bytes=300_000)
    with limits_of(small_app(), patient) as (port, _), dialled(port) as connection:
        with suppress(ConnectionError):
            connection.sendall(begun)
            while drop:
                connection.sendall(drop)
        (found,) = replies(connection)
    assert found.status == status


def test_who_does_not_read_the_answer_is_cut_off() -> None:
    with limits_of(small_app(size=60_000_000), SHORT) as (port, server):
        with dialled(port) as greedy, dialled(port) as slow:
            for connection in (greedy, slow):
                connection.sendall(HEALTH)
            wait_until(lambda: len(server.server_state.connections) == 2)
            received = 0
            while server.server_state.connections:
                received += len(slow.recv(1))  # a byte at a time
                time.sleep(0.01)
            with suppress(ConnectionError):
                while more := len(slow.recv(1_000_000)):  # what was on its way
                    received += more
            assert received < 60_000_000
        with dialled(port) as connection:  # and who reads gets all of it
            connection.sendall(HEALTH)
            assert len(replies(connection, 1)[0].body) == 60_000_000


def test_where_the_house_is_full_the_silent_make_room_and_beyond_that_it_says_so() -> None:
    import anyio

    release = threading.Event()

    async def wait() -> None:
        while not release.is_set():
            await anyio.sleep(0.01)

    limits = Limits(connections=3)
    with limits_of(small_app(wait=wait), limits) as (port, server), ExitStack() as stack:
        first, second, third = (stack.enter_context(dialled(port)) for _ in range(3))
        wait_until(lambda: len(server.server_state.connections) == 3)
        for connection in (second, third):
            connection.sendall(HEALTH)
        wait_until(lambda: len(server.server_state.tasks) == 2)
        fourth = stack.enter_context(dialled(port))
        with suppress(ConnectionError):
            assert first.recv(1) == b""
        fourth.sendall(HEALTH)
        wait_until(lambda: len(server.server_state.tasks) == 3)
        (found,) = all_replies(port, b"")
        assert (found.status, json.loads(found.body)["detail"]) == (503, "3 requests wait already; ask again.")
        release.set()
        for connection in (second, third, fourth):
            assert replies(connection, 1)[0].status == 200


def test_a_question_that_nobody_waits_for_any_more_is_not_worked_on(toy_folder: Path) -> None:
    release = threading.Event()

    class Slow(ToyEncoder):
        def encode_query(self, text: str) -> Vectors:
            vector = super().encode_query(text)
            if text != "notes":
                release.wait(LONG)
            return vector

    encoder = Slow()
    app = create_app(toy_folder, encoder=encoder)
    with limits_of(app, Limits()) as (port, server), ExitStack() as stack:
        workers = min(os.cpu_count() or 1, 4)
        waiting = [stack.enter_context(dialled(port)) for _ in range(workers)]
        for number, connection in enumerate(waiting):
            connection.sendall(b"GET /api/search?q=reward%d HTTP/1.1\r\n%b\r\n" % (number, HOST))
        wait_until(lambda: encoder.queries == workers)
        for number in range(30):
            with dialled(port) as connection:
                connection.sendall(b"GET /api/search?q=typed%d HTTP/1.1\r\n%b\r\n" % (number, HOST))
        wait_until(lambda: len(server.server_state.tasks) == workers + 30)
        wait_until(lambda: len(server.server_state.connections) == workers)
        release.set()
        assert all(replies(connection, 1)[0].status == 200 for connection in waiting)
        wait_until(lambda: not server.server_state.tasks)
        assert encoder.queries == workers
        metrics = reply(port, "/metrics").body.decode()
    assert 'kindred_requests_total{route="/api/search",status="499"} 30.0' in metrics


def test_dear_questions_wait_for_each_other_and_a_plain_one_for_none_of_them(toy_folder: Path) -> None:
    release = threading.Event()

    class Slow(ToyEncoder):
        def encode_query(self, text: str) -> Vectors:
            if "slow" in text:
                release.wait(LONG)
            return super().encode_query(text)

    with limits_of(create_app(toy_folder, encoder=Slow()), Limits()) as (port, server), ExitStack() as stack:
        dear = [stack.enter_context(dialled(port)) for _ in range(6)]  # more than there are workers
        for number, connection in enumerate(dear):
            query = f"slow{number}%20" + ("re*" if number % 2 else "rewrad~")
            connection.sendall(b"GET /api/search?q=" + query.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(lambda: len(server.server_state.tasks) == len(dear))
        for mode in ("lexical", "hybrid"):
            assert reply(port, f"/api/search?q=reward%20hacking&mode={mode}").status == 200
        assert len(server.server_state.tasks) == len(dear)
        release.set()
        assert [replies(connection, 1)[0].status for connection in dear] == [200] * len(dear)


@pytest.mark.skipif(os.name == "nt", reason="no signals that a program can catch")
def test_a_stop_waits_for_answers_and_not_for_those_who_say_nothing(hostile_index: Path) -> None:
    with command(hostile_index, "--port", "0") as (process, port, _), ExitStack() as stack:
        idle, begun, kept = (stack.enter_context(dialled(port)) for _ in range(3))
        begun.sendall(HEALTH[:20])
        kept.sendall(HEALTH)
        assert replies(kept, 1)[0].status == 200
        asking = stack.enter_context(dialled(port))
        asking.sendall(b"GET /api/search?q=" + b"how%20do%20models%20" * 40 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        with connected(port) as ask:
            wait_until(lambda: re.search(rb"^kindred_requests_in_progress [2-9]", ask("/metrics")[1], re.MULTILINE))
        process.send_signal(signal.SIGTERM)
        assert [one.status for one in replies(asking)] == [200]
        for connection in (idle, begun, kept):
            with suppress(ConnectionError):
                assert connection.recv(1) == b""
        assert process.wait(LONG) == 0


def test_the_server_for_assistants_is_bounded_as_well(hostile_index: Path) -> None:
    words = [sys.executable, "-m", "search.cli", "mcp", "--http", "--port", "0", "--index", str(hostile_index)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            known = re.search(r":(\d+)/mcp$", process.stderr.readline())
            assert known is not None
            port = int(known[1])
            asks = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n" % port
            (found,) = all_replies(port, asks + b"Connection: close\r\nContent-Length: 1000000000\r\n\r\n{")
            assert found.status == 413
            assert all_replies(port, asks + b"X: " + b"a" * 400_000)[0].status == 431
            assert all_replies(port, asks + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}")[0].status == 400
            with closing(HTTPConnection("127.0.0.1", port, timeout=LONG)) as connection:
                for header in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
                    connection.request("POST", "/mcp", b"{}", {"Content-Type": "application/json", **header})
                    answer = connection.getresponse()
                    assert 400 <= answer.status < 500 and "server" not in answer.headers
                    answer.read()
        finally:
            process.terminate()
            process.wait(LONG)
