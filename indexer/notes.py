"""This module defines a note, and gives every note an id that lasts."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from indexer.analysis import fold
from indexer.errors import DuplicateNoteError

MAX_ID = 1000  # characters; an id is typed, stands in addresses and is compared at every step of a search for one


@dataclass(frozen=True, slots=True)
class Note:
    """One note as it is indexed and shown.

    ``topic`` is the sub-topic (heading, folder or column), "" where there is none.
    ``links`` holds the ids of the notes that this one links to, in order of appearance, without itself.
    ``source`` is the file's path below the folder or beside the file that was named; ``line`` counts from 1.
    """

    id: str
    title: str
    description: str
    topic: str = ""
    cluster: str = ""
    tags: tuple[str, ...] = ()
    date: str = ""
    links: tuple[str, ...] = ()
    source: str = ""
    line: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The note as JSON-ready values, in the order of the fields; tuples become lists."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Note:
        """The inverse of ``as_dict``.  Raises ValueError when a key is missing, unknown or of another type."""
        if set(record) != {field.name for field in fields(cls)}:
            raise ValueError(f"not the fields of a note: {sorted(record)}")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
        }
        for field in fields(cls):
            expected = {"int": int}.get(str(field.type), tuple if str(field.type).startswith("tuple") else str)
            value = values[field.name]
            if not isinstance(value, expected) or isinstance(value, bool):
                raise ValueError(f"{field.name} is not a {expected.__name__}")
            if isinstance(value, tuple) and not all(isinstance(item, str) for item in value):
                raise ValueError(f"{field.name} holds an item that is not a str")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class RawNote:
    """A note as a reader found it: no id yet, links still as they were written.

    ``explicit_id`` is the id that the author gave, "" where there is none.
    ``names`` are further names under which a link may mean this note (its file's stem, aliases).
    A link is a name, or the path of the file that it leads to, in the form of ``path``.
    ``path`` is the file as the user would type it, for messages; ``source`` is what the note keeps.
    """

    title: str
    description: str
    path: Path
    line: int
    source: str
    topic: str = ""
    cluster: str = ""
    tags: tuple[str, ...] = ()
    date: str = ""
    explicit_id: str = ""
    links: tuple[str | Path, ...] = ()
    names: tuple[str, ...] = ()


def slug(title: str) -> str:
    """The id that a title leads to.

    Lower case, diacritics folded, every run of characters other than a-z and 0-9 becomes one hyphen, none at
    the ends; cut after ``MAX_ID`` characters.  A title that leaves nothing ("再帰", "???") gets the first ten
    hexadecimal digits of its SHA-256.
    """
    folded = re.sub(r"[^a-z0-9]+", "-", fold(title)).strip("-")[:MAX_ID].rstrip("-")
    return folded or hashlib.sha256(title.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def assign_ids(raw_notes: Sequence[RawNote]) -> list[Note]:
    """Give every note its id and turn its links into ids; same order as given.

    An explicit id is taken as it stands.  Otherwise the first note of a title gets the title's slug, the next
    ones the slug and "-2", "-3" and so on, passing over ids that another note owns by its own title or choice.
    A link that names no note is dropped here: whether it dangles is a question of the vault, not of the index.

    Raises DuplicateNoteError when two notes carry one explicit id.
    """
    ids: dict[int, str] = {}
    owners: dict[str, RawNote] = {}
    for position, raw in enumerate(raw_notes):
        if raw.explicit_id:
            if raw.explicit_id in owners:
                other = owners[raw.explicit_id]
                raise DuplicateNoteError(raw.explicit_id, f"{other.path}:{other.line}", raw.path, raw.line)
            owners[raw.explicit_id] = raw
            ids[position] = raw.explicit_id
    later: list[tuple[int, str]] = []
    for position, raw in enumerate(raw_notes):
        if raw.explicit_id:
            continue
        candidate = slug(raw.title)
        if candidate in owners:
            later.append((position, candidate))
        else:
            owners[candidate] = raw
            ids[position] = candidate
    counters: dict[str, int] = {}
    for position, base in later:
        number = counters.get(base, 2)
        while f"{base}-{number}" in owners:
            number += 1
        counters[base] = number + 1
        ids[position] = f"{base}-{number}"
        owners[ids[position]] = raw_notes[position]
    targets = _Targets(raw_notes, ids)
    return [
        Note(
            id=ids[position],
            title=raw.title,
            description=raw.description,
            topic=raw.topic,
            cluster=raw.cluster,
            tags=raw.tags,
            date=raw.date,
            links=_resolve(raw.links, targets, ids[position]),
            source=raw.source,
            line=raw.line,
        )
        for position, raw in enumerate(raw_notes)
    ]


class _Targets:
    """What links mean."""

    def __init__(self, raw_notes: Sequence[RawNote], ids: dict[int, str]) -> None:
        self._names = _names(raw_notes, ids)
        firsts: dict[Path, str] = {}
        for position, raw in enumerate(raw_notes):
            firsts.setdefault(raw.path, ids[position])
        self._files: dict[str, str] = {}  # a path as it is, and folded where none is written so
        for path, first in firsts.items():
            self._files.setdefault(os.path.normpath(path), first)
        for path, first in firsts.items():
            self._files.setdefault(fold(os.path.normpath(path)), first)
        self._stems = Counter(fold(path.stem) for path in firsts)

    def of(self, link: str | Path) -> str | None:
        """The id that a link leads to.  A file without a note (it was moved) stands for its stem, unless several files
        are called so (it is left out, and every folder has an index.md)."""
        if isinstance(link, str):
            return self._names.get(fold(link))
        path, stem = str(link), fold(link.stem)
        found = self._files.get(path) or self._files.get(fold(path))
        return found or (self._names.get(stem) if self._stems[stem] < 2 else None)


def _names(raw_notes: Sequence[RawNote], ids: dict[int, str]) -> dict[str, str]:
    """Folded name -> id.  Ids win over titles, titles over file names and aliases, earlier notes over later ones."""
    names: dict[str, str] = {}
    for position in range(len(raw_notes)):
        names.setdefault(fold(ids[position]), ids[position])
    for position, raw in enumerate(raw_notes):
        names.setdefault(fold(raw.title), ids[position])
    for position, raw in enumerate(raw_notes):
        for name in raw.names:
            names.setdefault(fold(name), ids[position])
    return names


def _resolve(links: Iterable[str | Path], targets: _Targets, own_id: str) -> tuple[str, ...]:
    found = (targets.of(link) for link in links)
    return tuple(dict.fromkeys(target for target in found if target is not None and target != own_id))
