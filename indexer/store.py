"""This module opens an index: a snapshot of one immutable generation, found through one manifest.

    index/manifest.json     the only file that ever changes; written last
    index/<generation>/     never modified once published:
        manifest.json (a copy)
        notes.jsonl, notes.starts.npy, notes.by_id.npy, topics.npy
        vectors.npy, centroid.npy (the mean of the vectors), from 20,000 notes on ann.faiss
        training/ (titles and descriptions encoded apart), whitening.npy, encoded.npy (the vectors before it),
        adapter.safetensors (what the notes taught the encoder)
        impacts/, words/ (the words as they are written), acronyms/, whoosh/
        up to 20,000 notes late/ (token vectors) and grams/ (runs of letters)

Row i of every artefact is note i.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer.acronyms import Acronyms, load_acronyms
from indexer.adapters import Adapter, load_adapter
from indexer.bert import Vectors
from indexer.errors import IndexCorruptError
from indexer.impacts import Impacts, Scores, load_impacts
from indexer.integrity import Entries, damage, strangers
from indexer.late import LateIndex, load_late
from indexer.lexical import open_whoosh
from indexer.manifest import MANIFEST, Manifest, published_generation, read_manifest
from indexer.notes import Note
from indexer.pairs import affinity, mutual_bm25
from indexer.vectors import Rows, load_ann, load_vectors
from indexer.whitening import Matrix, TrainingPairs, load_pairs, whiten
from indexer.words import Words, load_words

if TYPE_CHECKING:
    from whoosh.index import Index as WhooshIndex
    from whoosh.searching import Searcher as WhooshSearcher


# How much of a generation is read and compared with its manifest when it is opened, the smallest files first: 7 ms.
# The owner's notes take half of it, so that no flipped byte of theirs misleads a search; a larger index is read as a
# whole by `kindred check`, and before it is built upon.
_READ_AT_OPENING = 16 << 20


class Index:
    """A snapshot of one generation, open for reading; safe to share between threads.

    A generation's files never change and stay mapped, so a snapshot outlives the publishing of the next ones; but
    what only Whoosh can decide is opened when it is first asked for, and gone two generations later.
    """

    def __init__(self, folder: Path, manifest: Manifest, generation: Path) -> None:
        self.folder = folder
        self.manifest = manifest
        self._generation = generation
        self._seen: tuple[int, ...] = ()  # the manifest's stamp when it last named this generation
        self._compare(manifest.files)
        n_notes = manifest.n_notes
        try:
            self.impacts: Impacts = load_impacts(generation / "impacts", n_notes)
            dim = manifest.encoder.dim
            self.vectors: Vectors = load_vectors(generation / "vectors.npy", n_notes, dim)
            turned = manifest.whitening is not None and manifest.whitening.helps
            self.whitening: Matrix | None = load_vectors(generation / "whitening.npy", dim, dim) if turned else None
            tuned = manifest.tuning is not None and manifest.tuning.helps
            self.adapter: Adapter | None = load_adapter(generation / "adapter.safetensors") if tuned else None
            self.words: Words = load_words(generation / "words")
            self.acronyms: Acronyms = load_acronyms(generation / "acronyms")
            self.late: LateIndex | None = load_late(generation / "late", n_notes, dim) if manifest.has_late else None
            self.grams: Impacts | None = load_impacts(generation / "grams", n_notes) if manifest.has_grams else None
            self.centroid: Vectors = np.load(generation / "centroid.npy", allow_pickle=False)
            self.topics: npt.NDArray[np.int32] = np.load(generation / "topics.npy", allow_pickle=False)
            self._lines = np.memmap(generation / "notes.jsonl", dtype=np.uint8, mode="r")
            self._starts = np.load(generation / "notes.starts.npy", mmap_mode="r", allow_pickle=False)
            self._by_id = np.load(generation / "notes.by_id.npy", mmap_mode="r", allow_pickle=False)
        except OSError:
            raise
        except Exception as error:  # numpy raises whatever a damaged header makes its parsers raise
            raise IndexCorruptError(folder, str(error)) from error
        if (
            len(self._starts) != n_notes + 1
            or self._starts[-1] != len(self._lines)
            or len(self._by_id) != n_notes
            or len(self.topics) != n_notes
        ):
            raise IndexCorruptError(folder, f"notes.jsonl does not hold the {n_notes} notes of {MANIFEST}")

    def __len__(self) -> int:
        return self.manifest.n_notes

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

    def row_of(self, note_id: str) -> int | None:
        """The row of a note's id, or None."""
        place = self._place_of(note_id)
        if place < len(self) and self._id_at(place) == note_id:
            return int(self._by_id[place])
        return None

    def ids_around(self, prefix: str, before: int, after: int) -> list[str]:
        """Ids, sorted: up to ``before`` that stand before ``prefix``, and ``after`` from there on."""
        place = self._place_of(prefix)
        return [self._id_at(other) for other in range(max(place - before, 0), min(place + after, len(self)))]

    def affinity(self, row: int, rows: Rows, by_token: bool = False) -> Scores:
        """How related a note is to each of ``rows``; see ``indexer.pairs.affinity``.  ``by_token`` looks closer, where
        the index keeps token vectors, at a hundred times the cost."""
        late = self.late if by_token else None
        return affinity(self.vectors, self.impacts, self.topics, self.manifest.spreads, row, rows, late)

    def shared_words(self, row: int, rows: Rows) -> Scores:
        """How much of the weight of their words two notes share; see ``indexer.pairs.mutual_bm25``."""
        return mutual_bm25(self.impacts, row, rows)

    def whitened(self, vector: Vectors) -> Vectors:
        """A query's vector, float32 [dim], as the rows of ``vectors`` are."""
        return vector if self.whitening is None else whiten(vector, self.whitening)

    @cached_property
    def encoded(self) -> Vectors:
        """The notes' vectors as the encoder gave them, before whitening: float32 [n_notes, dim]."""
        if self.whitening is None:
            return self.vectors
        return load_vectors(self._generation / "encoded.npy", len(self), self.manifest.encoder.dim)

    @property
    def training(self) -> TrainingPairs | None:
        """The pairs that the whitening was learned from, or None in a collection with too few."""
        learned = self.manifest.whitening
        dim = self.manifest.encoder.dim
        return load_pairs(self._generation / "training", learned.pairs, dim) if learned else None

    @cached_property
    def id_ranks(self) -> npt.NDArray[np.int32]:
        """Where each row's id stands among the sorted ids: int32 [n_notes]; settles ties in every ranking."""
        ranks = np.empty(len(self), dtype=np.int32)
        ranks[self._by_id] = np.arange(len(self), dtype=np.int32)
        return ranks

    @cached_property
    def whoosh(self) -> WhooshIndex:
        """The full-text index, for what only Whoosh can decide."""
        self._compare({name: entry for name, entry in self.manifest.derived.items() if name.startswith("whoosh/")})
        return open_whoosh(self._generation / "whoosh")

    def whoosh_searcher(self) -> WhooshSearcher:
        """A searcher over the full-text index, for the caller to close.  Raises IndexCorruptError without one."""
        try:
            return self.whoosh.searcher()
        except IndexCorruptError:
            raise
        except Exception as error:  # Whoosh raises whatever its files make struct, pickle, zlib and the disk raise
            problem = "its full-text part (whoosh/) is missing or cannot be read"
            if not self._generation.is_dir():
                problem = "this generation was replaced by newer ones since it was opened"
            raise IndexCorruptError(self.folder, problem) from error

    @cached_property
    def ann(self) -> Any | None:
        """The HNSW graph, or None in an index too small for one."""
        if not self.manifest.has_ann:
            return None
        try:
            return load_ann(self._generation / "ann.faiss", len(self))
        except (ValueError, RuntimeError) as error:
            raise IndexCorruptError(self.folder, f"ann.faiss cannot be read ({error})") from error

    def problems(self) -> list[str]:
        """What is wrong with the generation, a sentence each; [] when it is sound.  Reads every byte but those of
        ``derived_problems``."""
        found = list(damage(self._generation, self.manifest.files))
        if found:
            return found
        ids = [note.id for note in self.notes()]
        if len(set(ids)) != len(ids):
            found.append("two notes share an id")
        if [ids[row] for row in self._by_id] != sorted(ids):
            found.append("notes.by_id.npy does not sort the ids")
        lengths = np.linalg.norm(self.vectors, axis=1)
        if not np.allclose(lengths, 1, atol=1e-3):
            found.append("vectors.npy holds a row that is not a unit vector")
        if self.words.terms.size and not -1 <= self.words.terms.min() <= self.words.terms.max() < len(self.impacts):
            found.append("a word leads to a term that does not exist")
        if self.impacts.rows.size and not 0 <= self.impacts.rows.min() <= self.impacts.rows.max() < len(self):
            found.append("the lexical index names a row that does not exist")
        return found

    def derived_problems(self) -> list[str]:
        """What is wrong with the parts that are made from the others, whoosh/ and ann.faiss, and with nothing else."""
        manifest = self.manifest
        copy = manifest.to_json().encode("utf-8")
        own = {**manifest.derived, MANIFEST: {"bytes": len(copy), "sha256": sha256(copy).hexdigest()}}
        found = [*damage(self._generation, own), *strangers(self._generation, manifest.files, own)]
        if found:
            return found
        try:
            with self.whoosh_searcher() as searcher:
                documents = searcher.doc_count_all()
            if documents != len(self):
                found.append(f"whoosh/ holds {documents} notes, expected {len(self)}")
        except IndexCorruptError as error:
            found.append(error.problem)
        if self.manifest.has_ann and self.ann is None:
            found.append("ann.faiss is missing")
        return found

    def _compare(self, entries: Entries) -> None:
        """Look at sizes, and read what is small.  Raises IndexCorruptError, or FileNotFoundError without a folder."""
        for problem in damage(self._generation, entries, _READ_AT_OPENING):
            raise IndexCorruptError(self.folder, problem)

    def _id_at(self, place: int) -> str:
        return self.note(int(self._by_id[place])).id

    def _place_of(self, note_id: str) -> int:
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


def damage_in(folder: Path) -> list[str]:
    """How the files of the newest generation differ from what was published, a sentence each, those that are derived
    last; for an index that cannot be opened.  Reads every byte."""
    try:
        manifest = read_manifest(folder)
        return list(damage(folder / manifest.generation, {**manifest.files, **manifest.derived}))
    except IndexCorruptError as error:
        return [error.problem]
    except FileNotFoundError:
        return [f"the generation {manifest.generation} is missing"]
