"""This module says whether the files of a generation are those that were published."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from indexer.files import sha256_of

Entries = Mapping[str, Mapping[str, Any]]  # a file's name within its generation -> its "bytes" and "sha256"

# Made from notes and vectors, and so made anew without encoding a note.
_DERIVED = ("postings/", "impacts/", "words/", "acronyms/", "grams/", "codes/")


def lasting(entries: Entries) -> Entries:
    """Those of files that cannot be made from others: the notes, and what the encoder made of them."""
    return {name: entry for name, entry in entries.items() if not name.startswith(_DERIVED)}


def files_in(folder: Path) -> list[Path]:
    """Every file under a folder, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def entry_of(path: Path) -> dict[str, Any]:
    """What a manifest keeps of a file: its size and SHA-256."""
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def damage(folder: Path, entries: Entries, most: int | None = None) -> Iterator[str]:
    """How files differ from their entries, a sentence each: those missing or of another size first, then those of
    other bytes, the smallest file first.

    ``most`` ends the reading before the file that would bring it above so many bytes; sizes are always looked at.
    Raises FileNotFoundError where the folder itself is gone.
    """
    sized = []
    for name, entry in entries.items():
        try:
            found = (folder / name).lstat()
        except FileNotFoundError:
            if not folder.is_dir():
                raise
            yield f"{name} is missing"
            continue
        size = found.st_size
        if not stat.S_ISREG(found.st_mode):
            yield f"{name} is no file"  # a link could lead anywhere
        elif size == entry["bytes"]:
            sized.append((size, name))
        else:
            yield f"{name} has {size} bytes, expected {entry['bytes']}"
    read = 0
    for size, name in sorted(sized):
        read += size
        if most is not None and read > most:
            return
        if sha256_of(folder / name) != entries[name]["sha256"]:
            yield f"{name} differs from what was published"


def strangers(folder: Path, *known: Entries) -> Iterator[str]:
    """The files that stand in no entry, a sentence each, sorted by path."""
    for path in files_in(folder):
        name = path.relative_to(folder).as_posix()
        if not any(name in entries for entries in known):
            yield f"{name} does not belong to it"
