"""This module finds the files of notes below the paths that were named, and says what it leaves out."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from indexer.errors import SourceError

Kind = Literal["page", "markdown", "jsonl", "csv"]
KINDS: dict[str, Kind] = {
    ".txt": "page",
    ".md": "markdown",
    ".markdown": "markdown",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}
WHAT_IS_READ = (
    "what is read are saved cluster pages (.txt), Markdown (.md, .markdown), "
    "JSON lines (.jsonl, .ndjson) and tables (.csv, .tsv)"
)
# Files are read whole.  A note of Markdown is a thousandth of this, and 16 MiB of it take two seconds; a table of a
# million notes has half of what it may have.
MAX_BYTES: dict[Kind, int] = {"page": 16 << 20, "markdown": 16 << 20, "jsonl": 1 << 30, "csv": 1 << 30}
_EXCLUDED = "folders that are excluded, such as the index"
LeftOut = dict[str, list[str]]  # reason -> what was left out for it


@dataclass(frozen=True, slots=True)
class File:
    """One file to read; ``source`` is what its notes keep of its path."""

    path: Path  # as the user would type it
    source: str
    named: bool  # by the user, not found in a folder


def find_files(path: Path, excluded: Sequence[str], left_out: LeftOut) -> list[File]:
    """The files to read for one path that was named, in order."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(path, None, f"there is no such file or folder; {WHAT_IS_READ}.") from error
    except OSError as error:
        raise SourceError(path, None, f"cannot be read: {error.strerror}.") from error
    if any(_is_below(path, folder) for folder in excluded):
        left_out[_EXCLUDED] = [_posix(path)]
        return []
    if path.is_dir():
        return _walk(path, excluded, left_out)
    if not path.is_file() or path.suffix.lower() not in KINDS:
        raise SourceError(path, None, f"is of a kind that is not read; {WHAT_IS_READ}.")
    return [File(path, _posix(Path(path.name)), named=True)]


def read_file(path: Path, limit: int) -> bytes:
    """All bytes of a file, which has at most ``limit`` of them.

    Raises SourceError for a longer one, and for what is no file any more: it never waits for a pipe, nor reads on
    while something writes without end.
    """
    try:
        # What stood there as a file may be a pipe by now, and opening one waits for its writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SourceError(path, None, "is no file that can be read.")
            data = file.read(limit + 1)
    except OSError as error:
        raise SourceError(path, None, f"cannot be read: {error.strerror}.") from error
    if len(data) > limit:
        problem = f"is longer than {limit >> 20} MiB, the most that is read of a file of its kind; split it."
        raise SourceError(path, None, problem)
    return data


def _walk(root: Path, excluded: Sequence[str], left_out: LeftOut) -> list[File]:
    files: list[File] = []
    links: list[File] = []
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            for entry in folder.iterdir():
                file = File(entry, _posix(entry.relative_to(root)), named=False)
                link, is_folder = entry.is_symlink(), entry.is_dir()
                if entry.name.startswith("."):
                    reason = "hidden files and folders"
                elif link and (is_folder or not _is_below(entry, root)):
                    reason = "links to folders or out of the folder"
                elif is_folder and os.path.realpath(entry) in excluded:
                    reason = _EXCLUDED
                elif is_folder:
                    folders.append(entry)
                    continue
                elif not entry.is_file():
                    reason = "broken links and special files"
                elif entry.suffix.lower() not in KINDS:
                    reason = f"{entry.suffix.lower()} files" if entry.suffix else "files without a suffix"
                else:
                    (links if link else files).append(file)
                    continue
                left_out.setdefault(reason, []).append(file.source)
        except OSError as error:
            raise SourceError(folder, None, f"cannot be read: {error.strerror}.") from error
    read_anyway = {os.path.realpath(file.path) for file in files} if links else set()
    for file in links:
        if os.path.realpath(file.path) in read_anyway:
            left_out.setdefault("links to files that are read under their own name", []).append(file.source)
        else:
            files.append(file)
    return sorted(files, key=lambda file: os.fsencode(file.path.relative_to(root).as_posix()))


def _is_below(path: Path, root: Path | str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def _posix(relative: Path) -> str:
    # A name that is no UTF-8 comes as lone surrogates, which no file of the index could hold.
    return os.fsencode(relative.as_posix()).decode("utf-8", "replace")
