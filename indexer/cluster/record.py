"""This module remembers on the builder's machine what a shelf holds, so that the next build sends only what changed.

One file a generation, beside the workshop: shelf-<number>.npz.  Without it, or where the engine's newest generation is
not the one that it tells of, all notes are sent again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from indexer.cluster.book import FORMAT, Published
from indexer.cluster.entities import Measures, digests_of
from indexer.files import sync
from indexer.store import Index
from indexer.vectors import Rows
from indexer.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Record:
    """What a shelf holds of one generation; row i is the i-th note of the builder's folder."""

    shelf: str
    store: str
    number: int  # of the generation
    made_by: str  # see ``made_by``
    ids: Sequence[str]
    numbers: Rows  # int64 [n_notes] primary keys
    places: npt.NDArray[np.float64]  # [n_notes] ascending
    digests: npt.NDArray[np.uint8]  # [n_notes, 16] see ``digests_of``
    measures: Measures
    next_row: int  # the first number that no row ever had
    next_dim: int
    next_run_dim: int
    gone: Rows  # int64: what the shelf still has of earlier notes, without an end (indexer/cluster/change.py)
    first: int  # notes that the shelf was filled with
    moved: int  # how many came or went since, the greater of both at each build

    def facts(self) -> dict[str, Any]:
        """What the book says of it."""
        return {"averages": dict(self.measures.averages), "run_averages": dict(self.measures.run_averages)}


def made_by(index: Index, has_hubs: bool) -> str:
    """What every row of a shelf depends on, hashed: a shelf that was made by something else is not gone on with.

    ``has_hubs`` says whether rows say how near a note is to everything, which those of a large collection do not.
    """
    manifest = index.manifest
    ways = {
        "format": FORMAT,
        "language": manifest.analyser.language,
        "stop words": list(manifest.analyser.stop_words),
        "bm25": manifest.bm25.as_dict(),
        "encoder": manifest.encoder.as_dict(),
        "whitening": None if index.whitening is None else sha256(index.whitening.tobytes()).hexdigest(),
        "late": manifest.has_late,
        "grams": manifest.has_grams,
        "hubs": has_hubs,
    }
    return sha256(json.dumps(ways, sort_keys=True).encode("utf-8")).hexdigest()


def first_record(
    index: Index,
    names: tuple[str, str],
    number: int,
    averages: tuple[Mapping[str, float], Mapping[str, float]],
    has_hubs: bool,
) -> Record:
    """The record of a new shelf and store, which hold the notes of ``index`` under the numbers of its rows."""
    dims = _numbered(index.impacts.vocabulary.words(), {}, 1)
    run_dims = _numbered(index.grams.vocabulary.words() if index.grams is not None else [], {}, 1)
    notes = list(index.notes())
    topics = _numbered([note.topic for note in notes if note.topic], {}, 1)
    return Record(
        shelf=names[0],
        store=names[1],
        number=number,
        made_by=made_by(index, has_hubs),
        ids=[note.id for note in notes],
        numbers=np.arange(len(index), dtype=np.int64),
        places=np.arange(len(index), dtype=np.float64),
        digests=digests_of(index),
        measures=Measures(*averages, dims, run_dims, topics),
        next_row=len(index),
        next_dim=1 + len(dims),
        next_run_dim=1 + len(run_dims),
        gone=np.empty(0, dtype=np.int64),
        first=len(index),
        moved=0,
    )


def measures_after(record: Record, index: Index, topics: Sequence[str]) -> tuple[Measures, int, int]:
    """What the rows of a shelf are made by where ``index`` is added to it: terms and topics keep their numbers, new
    ones get the next; and the first dimensions that are free then."""
    before = record.measures
    dims = _numbered(index.impacts.vocabulary.words(), before.dims, record.next_dim)
    run_dims = _numbered(
        index.grams.vocabulary.words() if index.grams is not None else [], before.run_dims, record.next_run_dim
    )
    next_dim = max([record.next_dim, *(dim + 1 for dim in dims.values())])
    next_run_dim = max([record.next_run_dim, *(dim + 1 for dim in run_dims.values())])
    every_topic = {**before.topics, **_numbered(topics, before.topics, 1 + len(before.topics))}
    return Measures(before.averages, before.run_averages, dims, run_dims, every_topic), next_dim, next_run_dim


def _numbered(words: Sequence[str], known: Mapping[str, int], first: int) -> dict[str, int]:
    """A number for each of ``words``: the one that is known, or the next that is free."""
    numbers: dict[str, int] = {}
    for word in words:
        if word not in numbers:
            number = known.get(word)
            if number is None:
                number, first = first, first + 1
            numbers[word] = number
    return numbers


def write_record(folder: Path, record: Record, before: int = 0) -> None:
    """Keep a record in ``folder``, whole or not at all, and of all others that of the generation ``before``, which is
    the newest where this one is not published, or rolled back."""
    ids = Vocabulary.joined([note_id.encode("utf-8") for note_id in record.ids])
    measures = record.measures
    facts = {
        "shelf": record.shelf,
        "store": record.store,
        "number": record.number,
        "made_by": record.made_by,
        "averages": dict(measures.averages),
        "run_averages": dict(measures.run_averages),
        "topics": dict(measures.topics),
        "next_row": record.next_row,
        "next_dim": record.next_dim,
        "next_run_dim": record.next_run_dim,
        "first": record.first,
        "moved": record.moved,
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "facts": np.frombuffer(json.dumps(facts).encode("utf-8"), dtype=np.uint8),
        "ids": ids.text,
        "id_starts": ids.starts,
        "numbers": record.numbers,
        "places": record.places,
        "digests": record.digests,
        "gone": record.gone,
    }
    for name, dims in (("dims", measures.dims), ("run_dims", measures.run_dims)):
        words = Vocabulary.joined([word.encode("utf-8") for word in dims])
        arrays |= {
            name: np.array(list(dims.values()), dtype=np.uint32),
            f"{name}_words": words.text,
            f"{name}_starts": words.starts,
        }
    content = BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    path = _path(folder, record.number)
    part = path.with_suffix(".part")
    part.write_bytes(content.getvalue())
    sync(part)
    part.replace(path)
    for other in folder.glob("shelf-*.npz"):
        if other not in (path, _path(folder, before)):
            other.unlink()


def _path(folder: Path, number: int) -> Path:
    return folder / f"shelf-{number:012d}.npz"


def read_record(folder: Path, generation: Published) -> Record | None:
    """What was kept of a generation, or None where that is not known."""
    try:
        content = _path(folder, generation.number).read_bytes()
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            facts = json.loads(arrays["facts"].tobytes())
            words = {
                name: dict(
                    zip(
                        Vocabulary(arrays[f"{name}_words"], arrays[f"{name}_starts"]).words(),
                        arrays[name].tolist(),
                        strict=True,
                    )
                )
                for name in ("dims", "run_dims")
            }
            averages = {name: facts.pop(name) for name in ("averages", "run_averages")}
            record = Record(
                ids=Vocabulary(arrays["ids"], arrays["id_starts"]).words(),
                numbers=arrays["numbers"],
                places=arrays["places"],
                digests=arrays["digests"],
                gone=arrays["gone"],
                measures=Measures(**averages, **words, topics=facts.pop("topics")),
                **facts,
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return None
    same = (record.shelf, record.store, len(record.ids)) == (generation.shelf, generation.store, generation.n_notes)
    return record if same else None
