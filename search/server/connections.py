"""This module bounds what one connection may cost: how slow and how large its requests are, and how many there are.

uvicorn and its parser take a request of any size for as long as it takes; a program that opens connections and says
nothing would hold them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from search.server.problems import problem

_COUNTED = 65_535  # bytes of an address; the parser numbers them by 16 bits


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes and a number; what goes beyond is refused or cut off.

    ``head_seconds`` are from the first byte of a request (of the first, from connecting) to the end of its headers,
    ``body_seconds`` from there to its own end.  A client that has not read its answer after ``unread_seconds`` is cut
    off.  ``head_bytes`` hold the longest query that is answered, 60 KB, with room for headers; no body that is read
    comes near ``message_bytes``.  A program may open 1,024 files where nobody raised that, so ``connections`` leaves
    it as many again.
    """

    head_seconds: float = 10
    body_seconds: float = 30
    unread_seconds: float = 30
    head_bytes: int = 98_304
    message_bytes: int = 8 * 2**20
    connections: int = 512


def limited(limits: Limits | None = None) -> type[HttpToolsProtocol]:
    """The class of one server's connections, for ``uvicorn.Config(http=…)``; two servers must not share it."""
    return type("LimitedConnection", (_Connection,), {"limits": limits or Limits(), "idle": {}})


class _Connection(HttpToolsProtocol):
    """A connection with one timer, which runs while it waits for the client: for a request, or to be read.

    Where a request comes in one piece, as nearly all do, no timer is needed.
    """

    limits: ClassVar[Limits]
    # Those without a request that is complete to its headers, the one that has been so for longest first.
    idle: ClassVar[dict[_Connection, None]]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.url = b""
        self._timer: asyncio.TimerHandle | None = None
        self._awaited: Literal["head", "body"] | None = None  # what the timer waits for, or would if all were read
        self._received = 0  # bytes since the last message ended
        # Between two messages a head is waited for; it has begun with its first byte.
        self._in_head, self._has_begun, self._in_body = True, False, False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base does
        """See ``asyncio.Protocol``.  Where the house is full, whoever has said nothing for longest makes room."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            if not self.idle:
                self._refuse(503, f"{self.limits.connections} requests wait already; ask again.")
                return
            oldest = next(iter(self.idle))
            del self.idle[oldest]
            oldest.transport.abort()
        self.idle[self] = None
        self._await("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._disarm()
        self.idle.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._received > self.limits.head_bytes:
            self._refuse(431, f"The address and the headers are longer than {self.limits.head_bytes:,} bytes.")
        elif self._in_body and self._received > self.limits.message_bytes:
            self._refuse(413, f"The request is longer than {self.limits.message_bytes:,} bytes.")
        elif self._in_body and self._awaited != "body":
            self._await("body")
        elif self._in_head and self._awaited is None and (self._has_begun or self._received):
            self._await("head")

    def on_message_begin(self) -> None:
        """A first byte of a request was read."""
        super().on_message_begin()
        self._has_begun = True

    def on_headers_complete(self) -> None:
        """A request is complete to its headers; its answer begins to be made."""
        if not self.url.startswith(b"/"):
            self._take_host_from_url()
        super().on_headers_complete()
        self._in_head, self._in_body = False, True
        self.idle.pop(self, None)

    def on_message_complete(self) -> None:
        """A request was read to its end."""
        super().on_message_complete()
        self._in_head, self._has_begun, self._in_body = True, False, False
        self._received = 0
        if self._awaited is not None:
            self._awaited = None
            self._disarm()
            if self.flow.write_paused:  # as when the answer before this one is not read
                self._arm(self.limits.unread_seconds, self.transport.abort)

    def on_response_complete(self) -> None:
        """An answer was handed over."""
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self.transport.close()  # nobody waits for the rest of what was answered already
        if self.transport.is_closing():
            self._arm(self.limits.unread_seconds, self.transport.abort)
        elif not self._is_answering():
            self.idle[self] = None

    def timeout_keep_alive_handler(self) -> None:
        """The next request did not come; who has not read the last answer by now has some time more."""
        super().timeout_keep_alive_handler()
        self._arm(self.limits.unread_seconds, self.transport.abort)

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        super().pause_writing()
        self._arm(self.limits.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        super().resume_writing()
        if self.transport.is_closing():
            return
        if self._awaited is None:
            self._disarm()
        else:
            self._await(self._awaited)

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is no request, or one whose address is longer than the parser can count."""
        if len(self.url) > _COUNTED:
            self._refuse(414, f"The address is longer than {_COUNTED:,} bytes.")
        else:
            self._refuse(400, "This is no request of HTTP/1.1.")

    def _unsupported_upgrade_warning(self) -> None:
        """To ask for another protocol is no mistake: the answer in this one declines it (RFC 9110, 7.8)."""

    def _take_host_from_url(self) -> None:
        """RFC 9112, 3.2.2: a whole URI in place of the path decides which host was meant, and Host does not."""
        url = httptools.parse_url(self.url)
        if url.host is not None:
            host = b"[%b]" % url.host if b":" in url.host else url.host
            named = (b"host", host if url.port is None else b"%b:%d" % (host, url.port))
            self.headers[:] = [*((name, value) for name, value in self.headers if name != b"host"), named]

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await(self, part: Literal["head", "body"]) -> None:
        self._awaited = part
        self._arm(self.limits.head_seconds if part == "head" else self.limits.body_seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self._is_answering() and (self._in_head or self.pipeline):  # reading waits for us, not we for it
            self._arm(self.limits.head_seconds, self._too_slow)
        elif self._in_head and not self._has_begun:
            self.transport.close()
        else:
            self._refuse(408, "The request did not arrive in time.")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer by a problem, unless that would be taken for the answer to another request, and hang up."""
        if self.transport.is_closing():
            return
        is_its_own = self._in_body and not self.pipeline and not self.cycle.response_started
        if is_its_own or not self._is_answering():
            response = problem(status, detail)
            response.headers["connection"] = "close"
            response.headers["x-content-type-options"] = "nosniff"
            head = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + bytes(response.body))
        self.transport.close()
        self._arm(self.limits.unread_seconds, self.transport.abort)

    def _arm(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, otherwise)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
