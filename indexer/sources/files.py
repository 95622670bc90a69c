"""This module finds the files of notes below the paths that were named, and says what it leaves out."""

from __future__ import annotations

import os
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
