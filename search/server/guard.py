"""This module turns away requests that must not be answered: from foreign sites, without the token, or too large.

A page of any site can make a browser send requests to this machine, and, by pointing its own name to 127.0.0.1 (DNS
rebinding), even read the answers.  The names in Host and Origin give it away; where a browser sends no Origin, as for
a picture or a script, Sec-Fetch-Site says that another site asks.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.server.presence import TRUSTED
from search.server.problems import problem

# Bytes of a query string: all that the parameters may hold at most, in any script, percent-encoded.
_LONGEST_QUERY = 61_440
_LARGEST_BODY = 1_024  # no route reads a body
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
# No other site may load an answer as a script or a picture, nothing is taken for what it does not claim to be, and
# what is no page of ours (those bring a policy of their own) runs nothing and is shown in nobody's frame.
_SEALS = {
    b"cross-origin-resource-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"same-origin",
}
# What a browser says of a request that the site's own pages, or its user by hand, have caused.
_FROM_HERE = ("same-origin", "none")
# Answered without a token: they tell nothing about the notes.
_OPEN_TO_ALL = ("/api/health",)


def is_loopback(host: str) -> bool:
    """Whether an address to bind to is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Sealed:
    """An application whose every answer tells browsers what must not be done with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                known = {name for name, _ in headers}
                message["headers"] = [*headers, *((name, value) for name, value in _SEALS.items() if name not in known)]
            await send(message)

        await self._app(scope, receive, sealed)


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
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        # Read once: Starlette's Headers looks through all of them for each name, and this is on the way of everything.
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if sum(name == b"host" for name, _ in scope["headers"]) > 1:
            return problem(400, "A request names one Host.")
        host = headers.get(b"host", "")
        if self._names is not None and _name(host) not in self._names:
            return problem(421, "This server answers to the names of this machine alone.", "foreign-host")
        origin = headers.get(b"origin")
        if origin is not None and origin not in {*self._origins, f"http://{host}", f"https://{host}"}:
            return problem(403, "Pages of other sites may not ask; see kindred serve --cors.", "foreign-origin")
        if origin is None and headers.get(b"sec-fetch-site", "none") not in _FROM_HERE and not _is_followed(headers):
            return problem(403, "Pages of other sites may link to this one, and not load anything.", "foreign-origin")
        if len(scope["query_string"]) > _LONGEST_QUERY:
            return problem(414, f"The query is longer than {_LONGEST_QUERY:,} bytes.")
        if b"transfer-encoding" in headers or not _is_small(headers.get(b"content-length", "0")):
            refusal = problem(413, "No address here reads a body.")
            refusal.headers["connection"] = "close"  # or the rest of it would be read after all
            return refusal
        is_open = scope["path"] in _OPEN_TO_ALL or scope["method"] == "OPTIONS" or scope.get(TRUSTED)
        if self._token is not None and not is_open:
            given = _given(headers.get(b"authorization", ""))
            if given is None or not hmac.compare_digest(given, self._token.encode()):
                refusal = problem(401, "This server wants its token: Authorization: Bearer …, or as a password.")
                refusal.headers["www-authenticate"] = "Bearer"
                refusal.headers.append("www-authenticate", 'Basic realm="Kindred", charset="UTF-8"')
                return refusal
        return None


def _given(authorization: str) -> bytes | None:
    """The token that a request brings, or None: a program as a bearer, a browser as the password that it asked its
    user for."""
    kind, _, given = authorization.partition(" ")
    if kind.lower() == "bearer":
        return given.strip().encode()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(given, validate=True).partition(b":")[2]
        except ValueError:
            return None
    return None


def _is_followed(headers: Mapping[bytes, str]) -> bool:
    """Whether a browser asks because its user followed a link: what comes back fills the window and nothing else."""
    return headers.get(b"sec-fetch-mode") == "navigate" and headers.get(b"sec-fetch-dest") == "document"


def _name(host: str) -> str:
    """The name in a Host header, without its port; "" where it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_small(length: str) -> bool:
    return length.isdecimal() and int(length[:20]) <= _LARGEST_BODY
