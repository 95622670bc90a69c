"""This module asks a running `kindred serve` for a search: the same answer, without opening the index in this process.

A server says in the index's folder where it listens, with a secret that tells it from whatever else may listen there
later, be it another user's.  It is only standard library, so that a command that is served imports nothing large.
"""

from __future__ import annotations

import hmac
import json
import os
import stat
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

FILE = "server.json"
SECRET_HEADER = "kindred-secret"  # noqa: S105 - the name of a header
CHALLENGE_HEADER, PROOF_HEADER = "kindred-challenge", "kindred-proof"
_PATIENCE = 5  # seconds until the command searches by itself
_LONGEST = 4_096  # bytes of the file; it has 150
# Neither a link is followed nor a pipe waited for: the file is made by the server, in a folder that others may write.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def ask(folder: Path, query: str, k: int, mode: str, typing: bool, explain: bool) -> dict[str, Any] | None:
    """What the server of the index in ``folder`` answers from its newest generation: "hits", "grade", "suggestion".

    None where none runs, or anything at all is not as it should be: whoever asks can search by himself.
    Nothing of the query, nor the secret, is sent before the other side has proved that it knows the secret.
    """
    asked = {"q": query, "k": k, "mode": mode, "typing": typing, "explain": explain}
    try:
        known = announced(folder)
        if os.name != "nt":  # where signal 0 would not merely ask
            os.kill(known["pid"], 0)
        connection = HTTPConnection(known["address"], known["port"], timeout=_PATIENCE)
        try:
            if not _is_known(connection, known["secret"]):
                return None
            connection.auto_open = 0  # to no other than the one that has proved itself
            connection.request("GET", f"/api/search?{urlencode(asked)}", headers={SECRET_HEADER: known["secret"]})
            answer = connection.getresponse()
            found = json.loads(answer.read()) if answer.status == 200 else None
        finally:
            connection.close()
    except (OSError, HTTPException, OverflowError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if isinstance(found, dict) and found.keys() >= {"hits", "grade", "suggestion"} else None


def announced(folder: Path) -> dict[str, Any]:
    """What a server has written into ``folder``: "pid", "address", "port", "secret".

    Raises OSError where there is no such file, and PermissionError where another user has made it, or could have
    written or read it; ValueError where it is no JSON.
    """
    file = os.open(folder / FILE, _FLAGS)
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise PermissionError(f"{FILE} is no file")
        if os.name != "nt" and (facts.st_uid != os.geteuid() or facts.st_mode & 0o077):
            raise PermissionError(f"{FILE} is not this user's alone")
        known: dict[str, Any] = json.loads(os.read(file, _LONGEST))
        return known
    finally:
        os.close(file)


def proof(secret: str, challenge: str, address: str, port: int) -> str:
    """What only who knows ``secret`` can answer to ``challenge``.

    Address and port are those of the connection, so that nobody can have it answered by the server elsewhere.
    """
    return hmac.new(secret.encode(), f"{challenge} {address} {port}".encode(), "sha256").hexdigest()


def _is_known(connection: HTTPConnection, secret: str) -> bool:
    """Whether the other side of a new connection knows the secret."""
    challenge = os.urandom(16).hex()
    connection.request("GET", "/api/health", headers={CHALLENGE_HEADER: challenge})
    address, port = connection.sock.getpeername()[:2]
    answer = connection.getresponse()
    answer.read(_LONGEST)
    return hmac.compare_digest(answer.headers.get(PROOF_HEADER, ""), proof(secret, challenge, address, port))
