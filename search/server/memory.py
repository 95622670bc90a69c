"""This module remembers whole responses for as long as their generation is current: most questions are asked again.

A generation never changes, so equal addresses get equal answers; what is answered from here costs a tenth of a
millisecond, and neither parameters nor notes are looked at.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.server.snapshot import Snapshots

# Responses that are remembered, the last ones given, and the bytes of the longest: 16 MB at most.
_REMEMBERED, _LONGEST = 1024, 16_384


class Remembering:
    """An application that gives a response again while its generation is current.

    It remembers what has an ETag, and stands aside where a client says what it has.  It runs on one thread, as an
    event loop does.
    """

    def __init__(self, app: ASGIApp, snapshots: Snapshots) -> None:
        self._app = app
        self._snapshots = snapshots
        self._edition = ""  # whose responses these are
        self._responses: OrderedDict[tuple[bytes, bytes, bool], tuple[Message, Message, Any]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        edition = self._snapshots.current.edition
        if edition != self._edition:
            self._responses.clear()
            self._edition = edition
        headers = Headers(scope=scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if headers is None or "if-none-match" in headers:
            await self._app(scope, receive, send)
            return
        # The address as it was written: a slash in an id (%2F) is not one of the address.
        path = scope.get("raw_path") or scope["path"].encode()
        key = (path, scope["query_string"], "gzip" in headers.get("accept-encoding", ""))
        known = self._responses.get(key)
        if known is not None:
            self._responses.move_to_end(key)
            start, body, scope["route"] = known
            await send({**start, "headers": list(start["headers"])})
            await send(body)
            return
        sent: list[Message] = []

        async def noted(message: Message) -> None:
            sent.append({**message, "headers": list(message["headers"])} if "headers" in message else message)
            await send(message)

        await self._app(scope, receive, noted)
        if len(sent) == 2 and edition == self._edition and _is_worth(sent[0], sent[1], edition):
            self._responses[key] = (sent[0], sent[1], scope.get("route"))
            if len(self._responses) > _REMEMBERED:
                self._responses.popitem(last=False)


def _is_worth(start: Message, body: Message, edition: str) -> bool:
    headers = Headers(raw=start["headers"])
    whole = not body.get("more_body") and len(body.get("body", b"")) <= _LONGEST
    return whole and start["status"] == 200 and headers.get("etag", "").startswith(f'"{edition}-')
