"""This module asks a running `kindred serve` for a search: the same answer, without opening the index in this process.

A server says in the index's folder where it listens, with a secret that tells it from whatever else may listen there
later.  It is only standard library, so that a command that is served imports nothing large.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

FILE = "server.json"
SECRET_HEADER = "kindred-secret"  # noqa: S105 - the name of a header
_PATIENCE = 5  # seconds until the command searches by itself


def ask(folder: Path, query: str, k: int, mode: str, typing: bool, explain: bool) -> dict[str, Any] | None:
    """What the server of the index in ``folder`` answers from its newest generation: "hits", "grade", "suggestion".

    None where none runs, or anything at all is not as it should be: whoever asks can search by himself.
    """
    asked = {"q": query, "k": k, "mode": mode, "typing": typing, "explain": explain}
    try:
        known = json.loads((folder / FILE).read_text("utf-8"))
        if os.name != "nt":  # where signal 0 would not merely ask
            os.kill(known["pid"], 0)
        connection = HTTPConnection(known["address"], known["port"], timeout=_PATIENCE)
        try:
            connection.request("GET", f"/api/search?{urlencode(asked)}", headers={SECRET_HEADER: known["secret"]})
            answer = connection.getresponse()
            found = json.loads(answer.read()) if answer.status == 200 else None
        finally:
            connection.close()
    except (OSError, HTTPException, OverflowError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) and found.keys() >= {"hits", "grade", "suggestion"} else None
