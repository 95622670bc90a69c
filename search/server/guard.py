"""This module turns away requests that must not be answered: from foreign sites, without the token, or too large.

A page of any site can make a browser send requests to this machine, and, by pointing its own name to 127.0.0.1 (DNS
rebinding), even read the answers.  The names in Host and Origin give it away.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from fastapi import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.server.problems import problem

# Bytes of a query string: 1,000 characters of any script, percent-encoded, and room for the other parameters.
_LONGEST_QUERY = 16_384
_LARGEST_BODY = 1_024  # no route reads a body
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
# No other site may load an answer as a script or a picture, and nothing is taken for what it does not claim to be.
_SEALS = ((b"cross-origin-resource-policy", b"same-origin"), (b"x-content-type-options", b"nosniff"))
# Answered without a token: they tell nothing about the notes.
_OPEN_TO_ALL = ("/api/health",)


def is_loopback(host: str) -> bool:
    """Whether an address to bind to is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """An application behind the checks above.

    ``host`` is the address that is bound: a loopback one answers to the names of this machine alone, any other to
    those who know the ``token``.  ``origins`` are the sites that may ask all the same.
    """

    def __init__(self, app: ASGIApp, host: str, token: str | None, origins: Collection[str] = ()) -> None:
        self._app = app
        self._names = {*_LOCAL_NAMES, host.strip("[]").lower()} if is_loopback(host) else None
        self._token = token
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_SEALS]
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, sealed)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._names is not None and _name(host) not in self._names:
            return problem(421, "This server answers to the names of this machine alone.", "foreign-host")
        origin = headers.get("origin")
        if origin is not None and origin not in {*self._origins, f"http://{host}", f"https://{host}"}:
            return problem(403, "Pages of other sites may not ask; see kindred serve --cors.", "foreign-origin")
        if len(scope["query_string"]) > _LONGEST_QUERY:
            return problem(414, f"The query is longer than {_LONGEST_QUERY:,} bytes.")
        if "transfer-encoding" in headers or not _is_small(headers.get("content-length", "0")):
            return problem(413, "No address here reads a body.")
        if self._token is not None and scope["path"] not in _OPEN_TO_ALL and scope["method"] != "OPTIONS":
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token.encode()):
                refusal = problem(401, "This server wants its token: Authorization: Bearer …")
                refusal.headers["www-authenticate"] = "Bearer"
                return refusal
        return None


def _name(host: str) -> str:
    """The name in a Host header, without its port; "" where it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_small(length: str) -> bool:
    return length.isdecimal() and int(length[:20]) <= _LARGEST_BODY
