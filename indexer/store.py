"""This module opens an index: a snapshot of one immutable generation, found through one manifest.

    index/manifest.json     the only file that ever changes; written last
    index/<generation>/     never modified once published:
        manifest.json (a copy)
        notes.jsonl, notes.starts.npy, notes.by_id.npy, topics.npy
        vectors.npy, centroid.npy (the mean of the vectors), from 20,000 notes on codes/
        training/ (titles and descriptions encoded apart), whitening.npy, encoded.npy (the vectors before it),
        adapter.safetensors (what the notes taught the encoder)
        postings/ (where every term stands), impacts/, words/ (the words as they are written), acronyms/
        up to 20,000 notes late/ (token vectors) and grams/ (runs of letters)

Row i of every artefact is note i.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.acronyms import Acronyms, load_acronyms
from indexer.adapters import Adapter, load_adapter
from indexer.asked import Asked
from indexer.bert import Vectors
from indexer.codes import load_codes
from indexer.demands import Demand, InTopic
from indexer.errors import IndexCorruptError
from indexer.files import oddity
from indexer.impacts import load_impacts
from indexer.integrity import damage, lasting
from indexer.late import load_late
from indexer.manifest import MANIFEST, Manifest, published_generation, read_manifest
from indexer.matching import Mask, satisfying
from indexer.notes import Note
from indexer.postings import load_postings
from indexer.scoring import Masked
from indexer.vectors import Rows, load_vectors
from indexer.whitening import TrainingPairs, load_pairs
from indexer.words import Words, load_words

# How much of a generation is read and compared with its manifest when it is opened, the smallest files first: 7 ms.
# The owner's notes take half of it, so that no flipped byte of theirs misleads a search; a larger index is read as a
# whole by `kindred check`, and before it is built upon.
_READ_AT_OPENING = 16 << 20


class Index(Asked):
    """A snapshot of one generation, open for reading; safe to share between threads.

    A generation's files never change and stay mapped, so a snapshot outlives the publishing of the next ones.  One that
    is not ``whole`` has nothing that is made from notes and vectors: it is for a build to take those over.
    """

    adapter: Adapter | None
    centroid: Vectors

    def __init__(self, folder: Path, manifest: Manifest, generation: Path, whole: bool = True) -> None:
        self.folder = folder
        self.manifest = manifest
        self._generation = generation
        self._seen: tuple[int, ...] = ()  # the manifest's stamp when it last named this generation
        if generation.is_symlink() or (odd := oddity(generation)) is not None:
            raise IndexCorruptError(
                folder, f"{generation.name if generation.is_symlink() else odd} is no file of its own"
            )
        # Raises FileNotFoundError without a folder.
        for problem in damage(
            generation, manifest.files if whole else lasting(manifest.files), _READ_AT_OPENING, quick=True
        ):
            raise IndexCorruptError(folder, problem)
        n_notes = manifest.n_notes
        try:
            dim = manifest.encoder.dim
            self.vectors = load_vectors(generation / "vectors.npy", n_notes, dim)
            turned = manifest.whitening is not None and manifest.whitening.helps
            self.whitening = load_vectors(generation / "whitening.npy", dim, dim) if turned else None
            tuned = manifest.tuning is not None and manifest.tuning.helps
            self.adapter = load_adapter(generation / "adapter.safetensors") if tuned else None
            self.late = load_late(generation / "late", n_notes, dim) if manifest.has_late else None
            self.centroid = np.load(generation / "centroid.npy", mmap_mode="r", allow_pickle=False)
            self.topics = np.load(generation / "topics.npy", mmap_mode="r", allow_pickle=False)
            self._lines = np.memmap(generation / "notes.jsonl", dtype=np.uint8, mode="r")
            self._starts = np.load(generation / "notes.starts.npy", mmap_mode="r", allow_pickle=False)
            self._by_id = np.load(generation / "notes.by_id.npy", mmap_mode="r", allow_pickle=False)
            if whole:
                self._map_derived()
        except OSError:
            raise
        except Exception as error:  # numpy raises whatever a damaged header makes its parsers raise
            raise IndexCorruptError(folder, str(error)) from error
        if self.centroid.shape != (dim,):
            raise IndexCorruptError(folder, f"centroid.npy holds {self.centroid.shape}, expected {(dim,)}")
        if (
            len(self._starts) != n_notes + 1
            or self._starts[-1] != len(self._lines)
            or len(self._by_id) != n_notes
            or len(self.topics) != n_notes
        ):
            raise IndexCorruptError(folder, f"notes.jsonl does not hold the {n_notes} notes of {MANIFEST}")

    def _map_derived(self) -> None:
        generation, manifest = self._generation, self.manifest
        n_notes = manifest.n_notes
        self.impacts = load_impacts(generation / "impacts", n_notes)
        self.postings = load_postings(generation / "postings", n_notes)
        self.words: Words = load_words(generation / "words")
        self.acronyms: Acronyms = load_acronyms(generation / "acronyms")
        self.grams = load_impacts(generation / "grams", n_notes) if manifest.has_grams else None
        has_codes = manifest.has_codes
        self.codes = load_codes(generation / "codes", n_notes, manifest.encoder.dim) if has_codes else None

    def where(self) -> str:
        """See ``Home.where``."""
        return str(self.folder)

    def ensure_kept(self) -> None:
        """See ``Home.ensure_kept``: what is open stays, whatever is published."""

    def newest(self) -> Index:
        """The newest generation of the same folder.  Raises what ``open_index`` raises."""
        return open_index(self.folder)

    @property
    def edition(self) -> str:
        """See ``Home.edition``."""
        return self.manifest.generation

    def is_current(self) -> bool:
        """Whether the manifest still names this generation; a look at the file's size and time while it stays."""
        try:
            found = (self.folder / MANIFEST).stat()
        except OSError:
            return False
        stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
        if stamp != self._seen:
            if published_generation(self.folder) != self.manifest.generation:
                return False
            self._seen = stamp
        return True

    def note(self, row: int) -> Note:
        """The note of a row.  Raises IndexCorruptError when its line is not a note."""
        try:
            return Note.from_dict(json.loads(self._lines[self._starts[row] : self._starts[row + 1]].tobytes()))
        except (ValueError, TypeError) as error:
            raise IndexCorruptError(self.folder, f"line {row + 1} of notes.jsonl is not a note") from error

    def notes(self) -> Iterator[Note]:
        """Every note, in the order of rows."""
        return map(self.note, range(len(self)))

    def notes_between(self, first: int, last: int) -> list[Note]:
        """See ``Home.notes_between``."""
        return [self.note(row) for row in range(len(self))[first:last]]

    def row_of(self, note_id: str) -> int | None:
        """The row of a note's id, or None."""
        place = self.place_of(note_id)
        if place < len(self) and self._id_at(place) == note_id:
            return int(self._by_id[place])
        return None

    def ids_around(self, prefix: str, before: int, after: int) -> list[str]:
        """Ids, sorted: up to ``before`` that stand before ``prefix``, and ``after`` from there on."""
        place = self.place_of(prefix)
        return [self._id_at(other) for other in range(max(place - before, 0), min(place + after, len(self)))]

    def allowed(self, demand: Demand) -> Masked:
        """See ``Home.allowed``."""
        return Masked(satisfying(self.postings, demand, self._in_topic))

    def _in_topic(self, demand: InTopic) -> Mask:
        return np.isin(self.topics, demand.numbers(self._topic_names))

    @cached_property
    def _topic_names(self) -> dict[int, str]:
        numbers, firsts = np.unique(self.topics, return_index=True)
        return {number: self.note(row).topic for number, row in zip(numbers.tolist(), firsts.tolist(), strict=True)}

    @property
    def rows_by_id(self) -> npt.NDArray[np.int32]:
        """The rows in the order of their ids: int32 [n_notes]."""
        return np.asarray(self._by_id)

    def rows_between(self, first: str, last: str) -> Rows:
        """The rows of the ids from ``first`` on and before ``last``, in the order of ids."""
        return np.asarray(self._by_id[self.place_of(first) : self.place_of(last)]).astype(np.int64)

    @cached_property
    def encoded(self) -> Vectors:
        """The notes' vectors as the encoder gave them, before whitening: float32 [n_notes, dim]."""
        if self.whitening is None:
            return self.vectors
        return load_vectors(self._generation / "encoded.npy", len(self), self.manifest.encoder.dim)

    @property
    def origins(self) -> npt.NDArray[np.uint8] | None:
        """What each note was read from, where a build can use it: see ``indexer.renewal.origins_of``."""
        if "origins.npy" not in self.manifest.files:
            return None
        found: npt.NDArray[np.uint8] = np.load(self._generation / "origins.npy", mmap_mode="r", allow_pickle=False)
        return found if found.shape == (len(self), 21) and found.dtype == np.uint8 else None

    @property
    def training(self) -> TrainingPairs | None:
        """The pairs that the whitening was learned from, or None in a collection with too few."""
        learned = self.manifest.whitening
        dim = self.manifest.encoder.dim
        return load_pairs(self._generation / "training", learned.pairs, dim) if learned else None

    def path(self, name: str) -> Path:
        """Where a file of this generation lies."""
        return self._generation / name

    def lines(self, first: int, last: int) -> tuple[bytes, npt.NDArray[np.int64]]:
        """The lines of notes.jsonl from row ``first`` on and before ``last``, and where each begins and the last
        ends."""
        starts = np.asarray(self._starts[first : last + 1])
        return self._lines[starts[0] : starts[-1]].tobytes(), starts

    def _id_at(self, place: int) -> str:
        return self.note(int(self._by_id[place])).id

    def place_of(self, note_id: str) -> int:
        """Where an id stands, or would stand, among the sorted ids."""
        return bisect_left(range(len(self)), note_id, key=self._id_at)


def open_index(folder: Path) -> Index:
    """The newest generation of the index in ``folder``.

    Raises what ``read_manifest`` raises, and IndexCorruptError when an artefact does not fit the manifest.
    """
    manifest = read_manifest(folder)
    while True:
        try:
            return Index(folder, manifest, folder / manifest.generation)
        except FileNotFoundError as error:
            newer = read_manifest(folder)  # published, and ours dropped, between the two reads
            if newer.generation == manifest.generation:
                raise IndexCorruptError(folder, f"the generation {manifest.generation} is missing") from error
            manifest = newer
