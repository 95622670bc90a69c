"""This module answers one request from one snapshot: with 304, or by asking it on a worker's thread."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import anyio.to_thread
from fastapi import Request, Response

from search.server.snapshot import Snapshot, Snapshots

GENERATION_HEADER = "kindred-generation"
VERSION = version("kindred")
# Requests that are worked on at a time; more would only share the processors, and hold memory.
_WORKERS = min(os.cpu_count() or 1, 4)
_GONE = 499  # nobody is there to read it; logs and figures name such a request so, as nginx does


class Answering:
    """Turns questions to a snapshot into responses."""

    def __init__(self, snapshots: Snapshots) -> None:
        self.snapshots = snapshots
        self._turns, self._workers = anyio.Semaphore(_WORKERS), anyio.CapacityLimiter(_WORKERS)
        self._dear_turn, self._dear_worker = anyio.Semaphore(1), anyio.CapacityLimiter(1)
        self._patient = anyio.CapacityLimiter(1)

    async def __call__(
        self,
        request: Request,
        question: Callable[[Snapshot], bytes],
        media_type: str = "application/json",
        dear: bool = False,
    ) -> Response:
        """The answer of the newest snapshot, which ``question`` makes and which depends on the address alone.

        Its ETag stands for the edition and the address (and whether it goes out compressed), so that a client that
        has it gets 304 without any work.  What nobody waits for any more when its turn comes is not worked on.
        ``dear`` questions wait for each other, and no other question for them.
        """
        snapshot = self.snapshots.current
        address = _address(request)
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        known = request.headers.get("if-none-match")
        if known is not None and _matches(known, _etag(snapshot.edition, address, zipped)):
            return self._response(304, None, snapshot, address, zipped, media_type)
        async with self._dear_turn if dear else self._turns:
            if await request.is_disconnected():  # a page asks at every key, and hangs up at the next
                return Response(status_code=_GONE)
            body, snapshot = await anyio.to_thread.run_sync(
                lambda: self.snapshots.ask(question, snapshot),
                limiter=self._dear_worker if dear else self._workers,
            )
        return self._response(200, body, snapshot, address, zipped, media_type)

    async def off_loop(self, work: Callable[[], Any], slow: bool = False) -> Any:
        """Do work on one of a few threads; ``slow`` work, which may take seconds, on another, one at a time."""
        return await anyio.to_thread.run_sync(work, limiter=self._patient if slow else self._workers)

    def _response(
        self, status: int, body: bytes | None, snapshot: Snapshot, address: str, zipped: bool, media_type: str
    ) -> Response:
        headers = {
            "etag": _etag(snapshot.edition, address, zipped),
            "cache-control": "no-cache",
            GENERATION_HEADER: snapshot.generation,
        }
        return Response(body, status, headers, media_type=None if status == 304 else media_type)


def as_json(record: Any) -> bytes:
    """``record`` as JSON, letters of every script as they are."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")


def _address(request: Request) -> str:
    """What was asked, as it was written: a slash in an id (%2F) is not one of the address."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query).decode("latin-1")


def _etag(edition: str, address: str, zipped: bool) -> str:
    digest = blake2b(f"{VERSION} {zipped} {address}".encode(), digest_size=9).hexdigest()
    return f'"{edition}-{digest}"'


def _matches(known: str, etag: str) -> bool:
    return any(tag.strip().removeprefix("W/") == etag for tag in known.split(","))
