"""This module says whether the files of a generation are those that were published."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from indexer.files import crc32_of, sha256_of, sums_of

Entries = Mapping[str, Mapping[str, Any]]  # a file's name within its generation -> its "bytes", "crc32" and "sha256"

_WORTH_THREADS = 32 << 20  # bytes
# Made from notes and vectors, and so made anew without encoding a note.
_DERIVED = ("postings/", "impacts/", "words/", "acronyms/", "grams/", "codes/")


def lasting(entries: Entries) -> Entries:
    """Those of files that cannot be made from others: the notes, and what the encoder made of them."""
    return {name: entry for name, entry in entries.items() if not name.startswith(_DERIVED)}


def files_in(folder: Path) -> list[Path]:
    """Every file under a folder, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def entry_of(path: Path) -> dict[str, Any]:
    """What a manifest keeps of a file: its size, CRC-32 and SHA-256."""
    crc32, sha256 = sums_of(path)
    return {"bytes": path.stat().st_size, "crc32": crc32, "sha256": sha256}


def damage(folder: Path, entries: Entries, most: int | None = None, quick: bool = False) -> Iterator[str]:
    """How files differ from their entries, a sentence each: those missing or of another size first, then those of
    other bytes, the smallest file first.

    ``quick`` compares by CRC-32, which finds every fault of a disk; SHA-256 finds what was made to deceive as well.
    With ``most`` only so many bytes are read; sizes are always looked at.
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
    sized.sort()
    ends = accumulate(size for size, _ in sized)
    names = [name for (_, name), end in zip(sized, ends, strict=True) if most is None or end <= most]
    measure, kind = (crc32_of, "crc32") if quick else (sha256_of, "sha256")
    for name, found in zip(names, _each(measure, [folder / name for name in names]), strict=True):
        if found != entries[name][kind]:
            yield f"{name} differs from what was published"


def _each(measure: Callable[[Path], Any], paths: Sequence[Path]) -> Iterator[Any]:
    """``measure`` of every path in order; of large files two at a time."""
    if sum(path.stat().st_size for path in paths) < _WORTH_THREADS:
        yield from map(measure, paths)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(measure, paths)


def strangers(folder: Path, *known: Entries) -> Iterator[str]:
    """The files that stand in no entry, a sentence each, sorted by path."""
    for path in files_in(folder):
        name = path.relative_to(folder).as_posix()
        if not any(name in entries for entries in known):
            yield f"{name} does not belong to it"
