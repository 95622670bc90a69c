"""This module says how the notes on disk differ from those in an index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from indexer.errors import IndexStateError
from indexer.files import sha256_of
from indexer.manifest import Manifest, read_manifest, stated_choices
from indexer.notes import Note
from indexer.sources import read_notes
from indexer.sources.files import File, find_files
from indexer.store import Index

DEFAULT_INPUT = Path("data")

Stamp = tuple[int, ...]  # size, times and inode of a file; () where it cannot be looked at
Stamps = dict[File, Stamp]


@dataclass(frozen=True, slots=True)
class NoteChanges:
    """The ids of the notes that were added, changed and removed, each sorted; false where there are none."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)

    def as_dict(self) -> dict[str, list[str]]:
        """JSON-ready values, in the order of the fields."""
        return {"added": list(self.added), "changed": list(self.changed), "removed": list(self.removed)}

    def lines(self) -> list[str]:
        """A line a note: "added: id", "changed: id", "removed: id"."""
        return [f"{what}: {note_id}" for what, ids in self.as_dict().items() for note_id in ids]


class Freshness:
    """Says how the notes on disk differ from those in an index, cheaply however often it is asked.

    Files are looked at by size and time, read where these differ from the last time, and understood as notes only
    where their bytes are not those that the index was built from.  Safe to share between threads.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._paths = recorded_inputs(index.folder, index.manifest)
        self._hashes: dict[File, tuple[Stamp, str]] = {}
        self._last: tuple[Stamps, NoteChanges] | None = None
        self._lock = Lock()

    def changes(self) -> NoteChanges:
        """What changed since the index was built.  Raises SourceError when the notes cannot be read now."""
        with self._lock:
            found = stamps(self._paths, [self._index.folder])
            if self._last is None or self._last[0] != found:
                self._last = found, self._compared(found)
            return self._last[1]

    def _compared(self, found: Stamps) -> NoteChanges:
        index = self._index
        hashes = {file: (stamp, self._sha256(file, stamp)) for file, stamp in found.items()}
        self._hashes = hashes
        indexed = [(source["path"], source["sha256"]) for source in index.manifest.sources]
        if indexed == [(file.source, digest) for file, (_, digest) in hashes.items()]:
            return NoteChanges()
        return differences(index.notes(), read_notes(self._paths, exclude=[index.folder]).notes)

    def _sha256(self, file: File, stamp: Stamp) -> str:
        known = self._hashes.get(file)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            return sha256_of(file.path)
        except OSError:  # whoever reads it says what is wrong with it
            return ""


def stamps(paths: Sequence[Path], exclude: Sequence[Path]) -> Stamps:
    """Every file that ``read_notes`` would open for the same arguments, in its order, with its stamp.

    Raises SourceError for a path that is missing, or of a kind that is not read.
    """
    excluded = [os.path.realpath(folder) for folder in exclude]
    return {file: _stamp(file.path) for path in paths for file in find_files(path, excluded, {})}


def differences(before: Iterable[Note], after: Iterable[Note]) -> NoteChanges:
    """How the notes ``after`` differ from those ``before``, whatever lines of their sources they stand in."""
    old = {note.id: note for note in before}
    new = {note.id: note for note in after}
    return NoteChanges(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(key for key in new.keys() & old.keys() if not _same(old[key], new[key]))),
        removed=tuple(sorted(old.keys() - new.keys())),
    )


def _same(before: Note, after: Note) -> bool:
    """Whether two notes say the same; a line more or less above them in their source is no change."""
    return before == after or before == replace(after, line=before.line)


def recorded_inputs(folder: Path, manifest: Manifest) -> list[Path]:
    """The paths that the index in ``folder`` was built from, as they are reached from here."""
    return _reached(folder, manifest.inputs)


def _reached(folder: Path, inputs: Sequence[str]) -> list[Path]:
    absolute = [(folder.absolute() / path).resolve() for path in inputs]
    here = Path.cwd().resolve()
    return [path.relative_to(here) if path.is_relative_to(here) else path for path in absolute]


def usual_inputs(folder: Path) -> list[Path]:
    """What is read where no path is named: what the index in ``folder`` was built from, or ``data`` where there is
    none.  Raises IndexStateError where there is one that does not say: other notes would take its place."""
    try:
        return recorded_inputs(folder, read_manifest(folder))
    except IndexStateError:
        said = stated_choices(folder)
    if said is None:
        return [DEFAULT_INPUT]
    if not said.inputs:
        problem = f"the index in {folder} does not say what it was built from"
        raise IndexStateError(folder, f"{problem}; name the notes: kindred index NOTES --rebuild --index {folder}")
    return _reached(folder, said.inputs)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
