"""This module has each file of notes read by the reader of its format.

    .txt               a saved cluster page          page.py
    .md, .markdown     one note a file               markdown.py
    .jsonl, .ndjson    one note a line               table.py
    .csv, .tsv         one note a row                table.py

Nothing is left out in silence: what is not read is an error, a warning, or a line of ``Collection.left_out``.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from indexer.errors import SourceError
from indexer.notes import MAX_ID, Note, RawNote, assign_ids
from indexer.sources.files import KINDS, MAX_BYTES, WHAT_IS_READ, File, Kind, LeftOut, find_files, read_file
from indexer.sources.front_matter import has_front_matter
from indexer.sources.markdown import read_markdown
from indexer.sources.page import Cluster, is_page, read_page
from indexer.sources.table import NoTitleColumnError, read_csv, read_jsonl

__all__ = ["Cluster", "Collection", "Source", "explained", "read_line", "read_notes"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOT_IN_ID = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
# A day as YAML 1.1 writes it, alone or before a time.
_DAY = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt ][0-9]{1,2}:.*)?")
# A description of the owner's notes has 240 characters, and an encoder reads 2,000.  The slowest text of this length
# (Chinese, a term a character) takes four seconds to index.
_MAX_TEXT = 250_000
_NAMES_SHOWN = 3  # of the files left out for one reason; the count says how many there are


@dataclass(frozen=True, slots=True)
class Source:
    """One file that notes came from.

    ``path`` is the notes' ``source``: below the folder that was named, or the file's name; always with "/".
    ``sha256`` is that of the file's bytes, in hexadecimal.  ``cluster`` is there for a saved cluster page alone.
    """

    path: str
    kind: Kind
    sha256: str
    notes: int
    cluster: Cluster | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """What ``read_notes`` read.

    ``notes`` are in reading order, ``sources`` the files they came from in the same order.
    Each of ``warnings`` begins with path:line; each of ``left_out`` names one reason, a count and some of the files.
    """

    notes: Sequence[Note]
    sources: list[Source]
    warnings: list[str]
    left_out: list[str]


def read_notes(paths: Sequence[Path], exclude: Sequence[Path] = ()) -> Collection:
    """Every note of the files and folders named, each file once, with ids that are unique over all of them.

    Paths are read in the order given; a folder's files in the order of their path's bytes.  A folder is read with
    its subfolders, but without hidden files and folders, links to folders or out of it, files of other kinds, drafts,
    text that is no cluster page, tables without a title column, and each README.md without front matter.  A file that
    is named itself is read, whatever it is called.
    Nothing in the folders ``exclude`` is read (an index may stand among its notes); they need not exist.

    Raises SourceError for a path that is missing, of another kind, no text, broken, or without a note;
    DuplicateNoteError when two notes carry one id.  ``paths`` must not be empty (ValueError).
    """
    if not paths:
        raise ValueError("no path to read notes from")
    raw_notes: list[RawNote] = []
    sources: list[Source] = []
    warnings: list[str] = []
    left_out: LeftOut = {}
    seen: set[str] = set()
    excluded = [os.path.realpath(folder) for folder in exclude]
    for path in paths:
        left_out_here: LeftOut = {}
        remarks: list[str] = []
        found = False
        for file in find_files(path, excluded, left_out_here):
            real = os.path.realpath(file.path)
            if real in seen:
                found = True
                left_out_here.setdefault("files named more than once, read once", []).append(file.source)
                continue
            seen.add(real)
            source, notes = _read(file, left_out_here, remarks)
            if notes:
                found = True
                sources.append(source)
                raw_notes += notes
        if not found:
            reasons = ", ".join(explained(left_out_here) + remarks[:_NAMES_SHOWN])
            raise SourceError(path, None, f"holds no note{reasons and f' ({reasons})'}; {WHAT_IS_READ}.")
        warnings += remarks
        for reason, names in left_out_here.items():
            left_out.setdefault(reason, []).extend(names)
    return Collection(assign_ids(raw_notes), sources, warnings, explained(left_out))


def read_line(file: File, line: bytes) -> RawNote:
    """The note of one line of a file of JSON lines, as its first.  Raises SourceError, also for what is only worth a
    warning, and UnicodeDecodeError."""
    (raw,), warnings = read_jsonl(line.decode("utf-8"), file.path, file.source)
    note = _finished(raw, warnings)
    if warnings:
        raise SourceError(file.path, 1, warnings[0])
    return note


def explained(left_out: LeftOut) -> list[str]:
    """A line for each reason, sorted: the reason, the count, the first names."""
    lines: list[str] = []
    for reason, names in sorted(left_out.items()):
        shown = sorted(names)[:_NAMES_SHOWN] + (["…"] if len(names) > _NAMES_SHOWN else [])
        lines.append(f"{reason}: {len(names)} ({', '.join(shown)})")
    return lines


def _read(file: File, left_out: LeftOut, remarks: list[str]) -> tuple[Source, list[RawNote]]:
    """The notes of one file; where there are none, ``left_out`` or ``remarks`` has the reason."""
    kind = KINDS[file.path.suffix.lower()]
    return understood(read_file(file.path, MAX_BYTES[kind]), file, left_out, remarks)


def understood(data: bytes, file: File, left_out: LeftOut, remarks: list[str]) -> tuple[Source, list[RawNote]]:
    """The notes in a file's bytes, each as every format leaves it; where there are none, ``left_out`` or ``remarks``
    has the reason.  Raises SourceError, as ``read_notes`` does, and no other error whatever the bytes are."""
    cluster: Cluster | None = None
    notes: list[RawNote] = []
    try:
        notes, cluster, warnings = _parsed(data, file)
        remarks += warnings
    except _NotNotesError as reason:
        left_out.setdefault(str(reason), []).append(file.source)
    source = Source(file.source, KINDS[file.path.suffix.lower()], hashlib.sha256(data).hexdigest(), len(notes), cluster)
    return source, [_finished(note, remarks) for note in notes]


class _NotNotesError(Exception):
    """What was found in a folder is not meant to be read; the text is the reason."""


def _parsed(data: bytes, file: File) -> tuple[list[RawNote], Cluster | None, list[str]]:
    """The notes as their format has them, the cluster of a page, and warnings."""
    path, kind = file.path, KINDS[file.path.suffix.lower()]
    if kind == "page" and data.strip() and not file.named and not is_page(data):
        raise _NotNotesError("text files that are no cluster page")
    text = _text(data, path)
    if not file.named and path.name.lower() == "readme.md" and not has_front_matter(text, path):
        raise _NotNotesError("README.md without front matter, which describes its folder")
    if not text or text.isspace():
        return [], None, [f"{path}:1: is empty; left out"]
    if kind == "markdown":
        note, warnings = read_markdown(text, path, file.source)
        if note is None:
            raise _NotNotesError("drafts")
        return [note], None, warnings
    cluster: Cluster | None = None
    try:
        if kind == "page":
            notes, cluster, warnings = read_page(text, path, file.source)
        else:
            notes, warnings = (read_jsonl if kind == "jsonl" else read_csv)(text, path, file.source)
    except NoTitleColumnError:
        if file.named:
            raise
        raise _NotNotesError("tables without a title column") from None
    return notes, cluster, warnings if notes else [*warnings, f"{path}:1: holds no note; left out"]


def _text(data: bytes, path: Path) -> str:
    """UTF-8, with or without a byte order mark, as text with "\n" line ends."""
    if b"\0" in data:
        raise SourceError(path, None, "is not text: it holds a NUL byte; notes are saved as UTF-8.")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        problem = f"is not UTF-8: {error.reason} (0x{error.object[error.start]:02x}); save the file as UTF-8."
        raise SourceError(path, before.count(b"\n") + 1, problem) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _finished(raw: RawNote, remarks: list[str]) -> RawNote:
    """The note as every format leaves it: single spaces, no control characters, days in ISO form, tags without '#',
    and every text cut where it is endless, with a remark.

    Raises SourceError for an id or a text that cannot be kept as it is.
    """
    if len(raw.explicit_id) > MAX_ID:
        problem = f"the id {raw.explicit_id[:80] + '…'!r} is longer than {MAX_ID:,} characters; write a shorter one."
        raise SourceError(raw.path, raw.line, problem)
    if _NOT_IN_ID.search(raw.explicit_id):
        problem = f"the id {raw.explicit_id[:80]!r} holds white space or control characters; write it without."
        raise SourceError(raw.path, raw.line, problem)

    def line(text: str) -> str:
        if len(text) <= _MAX_TEXT:
            return _one_line(text)
        remarks.append(f"{raw.path}:{raw.line}: of a text of {len(text):,} characters the first {_MAX_TEXT:,} are read")
        return _one_line(text[:_MAX_TEXT])

    tags = (line(tag.strip().lstrip("#")) for tag in raw.tags)
    links = (line(link) if isinstance(link, str) else link for link in raw.links)
    note = replace(
        raw,
        title=line(raw.title),
        description=line(raw.description),
        topic=line(raw.topic),
        cluster=line(raw.cluster),
        tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        date=_iso_day(line(raw.date)),
        links=tuple(dict.fromkeys(link for link in links if link)),
    )
    if not note.title:
        raise SourceError(raw.path, raw.line, "has a title without a visible character.")
    texts = (note.title, note.description, note.topic, note.cluster, note.date, note.explicit_id, *note.tags)
    try:
        "".join(texts).encode("utf-8")
    except UnicodeEncodeError as error:
        problem = "holds half of a surrogate pair, which is no character; write the character itself."
        raise SourceError(raw.path, raw.line, problem) from error
    return note


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def _iso_day(text: str) -> str:
    """A day or a time as YYYY-MM-DD; other text, and a day that no calendar has, as it is."""
    written = _DAY.fullmatch(text)
    if written is None:
        return text
    try:
        return date(int(written[1]), int(written[2]), int(written[3])).isoformat()
    except ValueError:
        return text
