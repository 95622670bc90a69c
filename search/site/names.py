"""This module names the page of a note: a file name that every file system and every address can carry."""

from __future__ import annotations

import hashlib
import re

from indexer import slug

_LONGEST = 80  # characters of an id that is its own file name; file systems take 255 bytes, readers fewer
_PLAIN = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{_LONGEST - 1}}}")
_HASHED = 60  # characters kept of any other id, before its hash
# Names that Windows keeps for devices, whatever their extension.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def page_name(note_id: str) -> str:
    """The name of a note's page, without ".html": of a-z, 0-9, "-" and "_", at most 80 characters.

    An id of lower-case Latin letters, digits and hyphens is its own name.  Any other is shortened and gets "_" and 16
    hexadecimal digits of its SHA-256; as the others hold no "_", two ids never share a name, not even where capitals
    do not count.
    """
    if _PLAIN.fullmatch(note_id) and note_id not in _DEVICES:
        return note_id
    digest = hashlib.sha256(note_id.encode("utf-8")).hexdigest()[:16]
    return f"{slug(note_id)[:_HASHED].rstrip('-')}_{digest}"
