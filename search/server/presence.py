"""This module lets commands on this machine find the server of an index, and answers them as if there were none."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from pathlib import Path

import anyio.to_thread
from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from search.served import CHALLENGE_HEADER, FILE, PROOF_HEADER, SECRET_HEADER, announced, proof
from search.server.problems import problem
from search.server.snapshot import Snapshots

_SECRET, _CHALLENGE = SECRET_HEADER.encode(), CHALLENGE_HEADER.encode()
TRUSTED = "kindred.trusted"  # a scope's mark: the request comes from someone who can read the index


class Presence:
    """The file in an index's folder that says where its server listens; readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self.secret = secrets.token_urlsafe(24)
        self._path = folder / FILE

    def announce(self, address: str, port: int) -> None:
        """Write the file, in the place of any other server's.  Raises OSError where the folder cannot be written."""
        record = {"pid": os.getpid(), "address": address, "port": port, "secret": self.secret}
        # A name that nobody can guess, and a file that was not there: no link that waits for it is followed.
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{FILE}.{secrets.token_hex(8)}")
        with open(temporary, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(record, file)
        temporary.replace(self._path)

    def withdraw(self) -> None:
        """Remove the file, unless another server's is in its place."""
        try:
            if announced(self._path.parent)["secret"] == self.secret:
                self._path.unlink()
        except (OSError, ValueError, KeyError, TypeError):
            return


class Introduced:
    """An application that knows the requests of those who have read the file, and proves to them that it wrote it.

    They are answered as if they had opened the index themselves: from what is published at this moment, or not at all.
    """

    def __init__(self, app: ASGIApp, snapshots: Snapshots, secret: str) -> None:
        self._app = app
        self._snapshots = snapshots
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        app: ASGIApp = self._app
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        given, challenge = headers.get(_SECRET), headers.get(_CHALLENGE)
        if challenge is not None:
            app = Response(
                status_code=204,
                headers={PROOF_HEADER: proof(self._secret, challenge.decode("latin-1"), *scope["server"])},
            )
        elif given is not None:
            if not hmac.compare_digest(given, self._secret.encode()):
                app = problem(421, "This server serves another index.", "foreign-index")
            else:
                scope[TRUSTED] = True
                await anyio.to_thread.run_sync(self._snapshots.look)
                if self._snapshots.problem is not None:
                    app = problem(503, self._snapshots.problem, "index")
        await app(scope, receive, send)
