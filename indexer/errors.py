"""This module defines every error that Kindred raises on purpose.

    KindredError
    ├── SourceError             a file of notes cannot be read as what it claims to be
    │   └── DuplicateNoteError  two notes claim one explicit id
    ├── IndexStateError
    │   ├── IndexNotFoundError  nothing was ever built there
    │   ├── IndexVersionError   built by a Kindred of another on-disk format
    │   ├── IndexCorruptError   its files disagree with its manifest
    │   ├── IndexLockedError    another builder holds the index
    │   ├── IndexWriteError     the disk refused: it is full, read-only or not this user's
    │   └── ClusterError        the engine that holds it is away, full, refuses, or is not an engine that we know
    ├── EncoderError
    │   ├── EncoderMissingError   the model is not on this machine
    │   └── EncoderMismatchError  the model is not the one that built the index
    ├── QueryError              the query breaks the grammar; carries the column
    ├── JudgementError          queries, judgements or runs that cannot be scored
    ├── NoteNotFoundError       no such note; carries the nearest ids
    ├── SiteError               a site cannot be written to a folder
    └── SparkError              Spark is not there, or could not do its work

``str(error)`` is one sentence followed, where there is one, by the next command to type.
A mistake of the calling program (a negative ``k``, an array of the wrong shape) stays ``ValueError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class KindredError(Exception):
    """Root of the tree: something that a person can put right."""


class SourceError(KindredError):
    """A source cannot be read.

    ``path`` is the file or folder, ``line`` counts from 1 and is None where the whole file is meant.
    """

    def __init__(self, path: Path | str, line: int | None, problem: str) -> None:
        self.path = Path(path)
        self.line = line
        self.problem = problem
        place = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {problem}")


class DuplicateNoteError(SourceError):
    """Two notes carry one explicit id; the message names both places."""

    def __init__(self, note_id: str, first: str, path: Path | str, line: int | None) -> None:
        self.note_id = note_id
        self.first = first
        super().__init__(
            path, line, f"the id {note_id!r} already belongs to {first}; give one of the two notes another id."
        )


class IndexStateError(KindredError):
    """An index cannot be used; ``path`` is its folder."""

    def __init__(self, path: Path | str, message: str) -> None:
        self.path = Path(path)
        super().__init__(message)


class IndexNotFoundError(IndexStateError):
    """No index was ever published in this folder."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, f"there is no index in {path}; type: kindred index --index {path}")


class IndexVersionError(IndexStateError):
    """The manifest states an on-disk format that this version does not read."""

    def __init__(self, path: Path | str, found: object, supported: int) -> None:
        self.found = found
        self.supported = supported
        super().__init__(
            path,
            f"the index in {path} has format {found!r} and this version of kindred reads format {supported}; "
            f"type: kindred index --rebuild --index {path}",
        )


class IndexCorruptError(IndexStateError):
    """A file of the index disagrees with the manifest or with another file."""

    def __init__(self, path: Path | str, problem: str) -> None:
        self.problem = problem
        super().__init__(path, f"the index in {path} is damaged: {problem}; type: kindred index --index {path}")


class IndexLockedError(IndexStateError):
    """Another process is building this index."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            path, f"another kindred is writing the index in {path}; wait until it is done, then repeat the command."
        )


class IndexWriteError(IndexStateError):
    """The index could not be written; what was published before is still there."""

    def __init__(self, path: Path | str, error: OSError) -> None:
        problem = error.strerror or str(error)
        place = f" ({error.filename})" if error.filename else ""
        super().__init__(
            path, f"the index in {path} cannot be written: {problem}{place}; put that right, then repeat the command."
        )


class ClusterError(IndexStateError):
    """The engine that an index is on cannot be used.

    ``reason`` is one of "address" (it cannot be read), "package" (pymilvus is not installed), "away", "slow" (no answer
    in time), "refused" (the token), "full", "version" (it lacks what we ask for), "missing" (a collection), "damaged"
    (it does not hold what was published), "replaced" (what was being read made room for newer notes) and "failed"
    (anything else).
    """

    def __init__(self, address: object, problem: str, remedy: str, reason: str) -> None:
        self.address = str(address)
        self.reason = reason
        super().__init__(self.address, f"{self.address} {problem}; {remedy}")


class EncoderError(KindredError):
    """An encoder cannot be used."""


class EncoderMissingError(EncoderError):
    """The encoder's files or the packages that run it are not on this machine."""


class EncoderMismatchError(EncoderError):
    """The encoder found is not the one that made the index's vectors, or not its publisher's; ``command`` puts that
    right."""

    def __init__(self, problem: str, command: str = "kindred index") -> None:
        self.problem, self.command = problem, command
        super().__init__(f"{problem}; type: {command}")

    def of(self, place: str) -> EncoderMismatchError:
        """The same, told of the index at ``place``."""
        built = self.command.startswith("kindred index")
        return EncoderMismatchError(self.problem, f"{self.command} --index {place}" if built else self.command)


class QueryError(KindredError):
    """A query breaks the grammar; ``column`` counts characters from 1."""

    def __init__(self, query: str, column: int, problem: str) -> None:
        self.query = query
        self.column = column
        self.problem = problem
        super().__init__(f"query, column {column}: {problem}")


class JudgementError(KindredError):
    """Queries and judgements that do not fit each other, or cannot be read."""


class NoteNotFoundError(KindredError):
    """No note has this id; ``nearest`` holds up to three ids that look like it, best first."""

    def __init__(self, note_id: str, nearest: Sequence[str]) -> None:
        self.note_id = note_id
        self.nearest = tuple(nearest)
        shown = note_id if len(note_id) <= 200 else note_id[:200] + "…"
        hint = f"; the nearest are: {', '.join(self.nearest)}" if self.nearest else ""
        super().__init__(f"no note has the id {shown!r}{hint}.")


class SiteError(KindredError):
    """A site cannot be written to the folder ``path``; what lay there stays."""

    def __init__(self, path: Path | str, problem: str) -> None:
        self.path = Path(path)
        self.problem = problem
        super().__init__(f"{path} {problem}; name another folder, or an empty one: kindred export DIR")


class SparkError(KindredError):
    """Spark is not there, or could not do its work."""
