"""This module reads only what changed of large files of JSON lines, and says which notes stay as they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b, sha256
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from indexer.errors import SourceError
from indexer.files import sha256_of
from indexer.notes import Note, RawNote, assign_ids, slug
from indexer.publish import note_line
from indexer.sources import Collection, Source, explained, read_line
from indexer.sources.files import File, LeftOut, find_files
from indexer.store import Index
from indexer.vectors import Rows

_DIGEST = 16  # bytes
Moved = npt.NDArray[np.bool_]
Origins = npt.NDArray[np.uint8]
# A note that links has to be read with all others, because any of them may be what it means.  Keys may hide behind
# escapes that no program writes for a letter.
_LINKS = re.compile(rb'"\s*(?:links|related)\s*"\s*:|\\u00[4-7][0-9a-f]', re.IGNORECASE)


class Renewed(Sequence[Note]):
    """The notes of now, as those of an index and those that are new; row i is note i."""

    def __init__(self, old: Index, kept: Rows, moved: Moved, lines: Rows, fresh: dict[int, Note]) -> None:
        self.old = old
        self.kept = kept  # int64 [n_notes] the row in `old`, ascending; -1 for new notes
        self.moved = moved  # bool [n_notes] whether only its line is another
        self.lines = lines  # int64 [n_notes] the line of each note in its source
        self.fresh = fresh  # the new notes by row, ascending
        held = np.zeros(len(old), dtype=np.bool_)
        held[kept[kept >= 0]] = True
        self.gone: Rows = np.flatnonzero(~held)  # rows of `old` that are not there any more

    def __len__(self) -> int:
        return len(self.kept)

    @overload
    def __getitem__(self, row: int) -> Note: ...
    @overload
    def __getitem__(self, row: slice) -> list[Note]: ...
    def __getitem__(self, row: int | slice) -> Note | list[Note]:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        if row < 0 or row >= len(self):
            raise IndexError(row)
        if row in self.fresh:
            return self.fresh[row]
        return replace(self.old.note(int(self.kept[row])), line=int(self.lines[row]))


def renew(
    paths: Sequence[Path], exclude: Sequence[Path], old: Index, origins: Origins
) -> tuple[Collection, Origins] | None:
    """What ``read_notes`` would give for the same arguments, with only those lines read that ``old`` does not know.

    The notes are ``Renewed``; ``origins`` are those of ``old``, and come back for the notes of now.  None where all
    notes have to be read: other files than those that ``old`` was built from, or of other formats, notes that link or
    are warned of, lines in another order, an id that others depend on, or an error, which reading them all explains.
    """
    left_out: LeftOut = {}
    excluded = [os.path.realpath(folder) for folder in exclude]
    files = [file for path in paths for file in find_files(path, excluded, left_out)]
    if [file.source for file in files] != [source["path"] for source in old.manifest.sources]:
        return None
    if all(_holds(file.path, source["sha256"]) for file, source in zip(files, old.manifest.sources, strict=True)):
        same = Renewed(old, np.arange(len(old)), np.zeros(len(old), dtype=np.bool_), _line_numbers(origins), {})
        known_sources = [Source(**source) for source in old.manifest.sources]
        return Collection(same, known_sources, [], explained(left_out)), origins
    width = origins.shape[1]
    old_digests = origins.tobytes()
    known = {old_digests[at : at + _DIGEST]: row for row, at in enumerate(range(0, len(old_digests), width))}
    digests: list[bytes] = []
    numbers: list[int] = []
    unread: list[tuple[int, File, bytes]] = []
    sources: list[Source] = []
    for file in files:
        read = _lines(file.path)
        if read is None:
            return None
        content, lines = read
        before = len(digests)
        for number, line in lines:
            digest = blake2b(line, digest_size=_DIGEST).digest()
            if digest not in known:
                if not line.decode("utf-8", "replace").strip():
                    continue
                unread.append((len(digests), file, line))
            digests.append(digest)
            numbers.append(number)
        sources.append(Source(file.source, "jsonl", content, len(digests) - before))
    kept = np.array([known.get(digest, -1) for digest in digests], dtype=np.int64)
    if (np.diff(kept[kept >= 0]) <= 0).any() or any(_LINKS.search(line) for _, _, line in unread):
        return None
    try:
        raw = [replace(read_line(file, line), line=numbers[row]) for row, file, line in unread]
        fresh = dict(zip((row for row, _, _ in unread), assign_ids(raw), strict=True))
    except (SourceError, UnicodeDecodeError):
        return None
    lines_now = np.array(numbers, dtype=np.int64)
    moved = (kept >= 0) & (_line_numbers(origins)[kept] != lines_now)
    notes = Renewed(old, kept, moved, lines_now, fresh)
    if not _sources_in_step(notes, sources) or not all(note.description for note in fresh.values()):
        return None
    if not _steady(notes, raw, origins):
        return None
    derived = origins[kept, _DIGEST]
    derived[list(fresh)] = _derived(list(fresh.values()))
    return Collection(notes, sources, [], explained(left_out)), _packed(digests, derived, notes.lines)


def origins_of(paths: Sequence[Path], exclude: Sequence[Path], collection: Collection) -> Origins | None:
    """A digest of the line that each note was read from, whether its title made its id, and the line's number:
    uint8 [n_notes, 21].

    None where ``renew`` could not use them: other formats than JSON lines, notes that link or were warned of, equal
    lines.
    """
    if collection.warnings or any(source.kind != "jsonl" for source in collection.sources):
        return None
    excluded = [os.path.realpath(folder) for folder in exclude]
    digests: list[bytes] = []
    files = [file for path in paths for file in find_files(path, excluded, {})]
    if len(files) != len(collection.sources):
        return None
    for file, source in zip(files, collection.sources, strict=True):
        read = _lines(file.path)
        if read is None or read[0] != source.sha256:
            return None
        lines = [line for _, line in read[1] if line.decode("utf-8").strip()]
        if len(lines) != source.notes or any(map(_LINKS.search, lines)):
            return None
        digests += (blake2b(line, digest_size=_DIGEST).digest() for line in lines)
    if len(set(digests)) < len(digests):
        return None
    numbers = np.array([note.line for note in collection.notes], dtype=np.int64)
    return _packed(digests, _derived(collection.notes), numbers)


def compared(old: Index, notes: Sequence[Note]) -> Renewed | None:
    """Notes that were all read, as those of ``old`` and those that are new; None where they changed their order."""
    text, starts = old.lines(0, len(old))
    known = {text[begin:end]: row for row, (begin, end) in enumerate(pairwise(starts.tolist()))}
    kept = np.array([known.get(note_line(note), -1) for note in notes], dtype=np.int64)
    if (np.diff(kept[kept >= 0]) <= 0).any():
        return None
    fresh = {row: notes[row] for row in np.flatnonzero(kept < 0).tolist()}
    lines = np.array([note.line for note in notes], dtype=np.int64)
    return Renewed(old, kept, np.zeros(len(kept), dtype=np.bool_), lines, fresh)


def _holds(path: Path, content: str) -> bool:
    try:
        return sha256_of(path) == content
    except OSError:  # whoever reads it says what is wrong with it
        return False


def _lines(path: Path) -> tuple[str, Iterator[tuple[int, bytes]]] | None:
    """The hash of a file, and its lines that are not blank with their numbers; None where its line ends need care."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if path.suffix.lower() not in (".jsonl", ".ndjson") or b"\r" in data or b"\0" in data or data[:1] == b"\xef":
        return None
    lines = ((number, line) for number, line in enumerate(data.split(b"\n"), 1) if line and not line.isspace())
    return sha256(data).hexdigest(), lines


def _sources_in_step(notes: Renewed, sources: Sequence[Source]) -> bool:
    """Whether every note that stays is read from the source that it was read from."""
    before = np.repeat(np.arange(len(sources)), [source["notes"] for source in notes.old.manifest.sources])
    now = np.repeat(np.arange(len(sources)), [source.notes for source in sources])
    stay = notes.kept >= 0
    return bool((before[notes.kept[stay]] == now[stay]).all()) and all(source.notes for source in sources)


def _steady(notes: Renewed, raw: Sequence[RawNote], origins: Origins) -> bool:
    """Whether no note that stays would get another id: see ``indexer.notes.assign_ids``.

    An id that a title leads to depends on others that are equal, or equal with a number behind.
    """
    old = notes.old
    went = {old.note(row).id for row in notes.gone.tolist()}
    now = {note.id for note in notes.fresh.values()}
    if any(old.row_of(note_id) is not None for note_id in now - went):
        return False
    derived = {slug(note.title) for note in raw if not note.explicit_id}
    stems = derived | {stem for note_id in went - now for stem in (note_id, re.sub(r"-[0-9]+$", "", note_id))}
    stays = np.ones(len(old), dtype=np.bool_)
    stays[notes.gone] = False
    stays &= origins[:, _DIGEST] > 0
    for stem in stems:
        row = old.row_of(stem)
        if (row is not None and stays[row]) or stays[old.rows_between(f"{stem}-0", f"{stem}-:")].any():
            return False
    return True


def _derived(notes: Sequence[Note]) -> Origins:
    """Whether each id is, or may be, one that the title leads to: uint8 [n_notes]."""
    return np.array([note.id.startswith(slug(note.title)) for note in notes], dtype=np.uint8)


def _packed(digests: Sequence[bytes], derived: Origins, lines: npt.NDArray[np.int64]) -> Origins:
    found = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, _DIGEST)
    return np.hstack([found, derived[:, None], lines.astype("<u4").view(np.uint8).reshape(-1, 4)])


def _line_numbers(origins: Origins) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(origins[:, _DIGEST + 1 :]).view("<u4")[:, 0].astype(np.int64)
