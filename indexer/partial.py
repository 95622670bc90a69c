"""This module writes the next generation of a large index from the one before, at a cost that what changed decides.

What is learned from the whole collection (whitening, spreads, calibration, acronyms, the centres of codes) is taken
over, until one note in 100 is another than when it was learned.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from indexer.artefacts import renew_words
from indexer.bert import Vectors
from indexer.codes import Codes, save_codes
from indexer.encoding import encoder_text
from indexer.freshness import NoteChanges
from indexer.manifest import Manifest
from indexer.protocols import Encoder, TokenEncoder
from indexer.publish import note_line, publish
from indexer.renewal import Origins, Renewed
from indexer.store import Index
from indexer.vectors import load_vectors, save_vectors
from indexer.whitening import save_pairs, whiten

_T = TypeVar("_T", np.float32, np.uint8)
Progress = Callable[[str, int, int], None]

# From this many notes on.  There are codes then, and neither token vectors nor runs of letters are kept; below,
# making everything anew takes a few seconds.
RENEWAL_THRESHOLD = 20_001
_MOST_DRIFT = 0.01
_LINE = re.compile(rb'"line":[0-9]+\}\n')


def drift_of(notes: Renewed) -> int | None:
    """How many notes were changed since the collection was learned from, or None where it has to be learned anew."""
    drift = notes.old.manifest.drift + max(len(notes.fresh), len(notes.gone))
    few = drift <= _MOST_DRIFT * len(notes) and min(len(notes), len(notes.old)) >= RENEWAL_THRESHOLD
    return drift if few else None


def renew_index(
    folder: Path,
    notes: Renewed,
    origins: Origins | None,
    manifest: Manifest,
    encoder: Encoder,
    progress: Progress,
) -> tuple[Index, int]:
    """Publish ``notes``, described by ``manifest`` but for its name and files; also how many texts were encoded."""
    old = notes.old
    fresh, n_encoded = _encoded(notes, encoder, progress)

    def write(part: Path) -> None:
        write_renewed(part, notes)
        if origins is not None:
            np.save(part / "origins.npy", origins, allow_pickle=False)
        turned = fresh if old.whitening is None else whiten(fresh, old.whitening)
        _write_rows(part / "vectors.npy", old.vectors, notes, turned)
        vectors = load_vectors(part / "vectors.npy", len(notes), manifest.encoder.dim)
        save_vectors(part / "centroid.npy", vectors.mean(axis=0, dtype=np.float64))
        if old.whitening is not None:
            save_vectors(part / "whitening.npy", old.whitening)
            _write_rows(part / "encoded.npy", old.encoded, notes, fresh)
        if old.training is not None:
            save_pairs(part / "training", old.training)
        language = encoder.words() if isinstance(encoder, TokenEncoder) else []
        renew_words(part, notes, manifest.analyser, manifest.bm25, language, progress)
        if old.adapter is not None:
            shutil.copyfile(old.path("adapter.safetensors"), part / "adapter.safetensors")
        if old.codes is not None:
            save_codes(part / "codes", Codes(old.codes.centres, old.codes.codes[:0]))
            _write_rows(part / "codes" / "codes.npy", old.codes.codes, notes, old.codes.of(turned))

    return publish(folder, write, lambda **named: replace(manifest, **named)), n_encoded


def changes_of(notes: Renewed) -> NoteChanges:
    """The ids of the notes that are new, changed and gone."""
    now = {note.id for note in notes.fresh.values()}
    before = {notes.old.note(row).id for row in notes.gone.tolist()}
    return NoteChanges(tuple(sorted(now - before)), tuple(sorted(now & before)), tuple(sorted(before - now)))


def _encoded(notes: Renewed, encoder: Encoder, progress: Progress) -> tuple[Vectors, int]:
    """The vectors of the new notes as the encoder gives them, and how many texts it was asked for."""
    old = notes.old
    texts = [encoder_text(note) for note in notes.fresh.values()]
    known = {encoder_text(old.note(row)): old.encoded[row] for row in notes.gone.tolist()}
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("encoding notes", done, len(missing))

    if missing:
        known.update(zip(missing, encoder.encode_documents(missing, advance), strict=True))
    found = np.array([known[text] for text in texts], dtype=np.float32).reshape(len(texts), old.vectors.shape[1])
    return found, len(missing)


def _write_rows(path: Path, old: npt.NDArray[_T], notes: Renewed, fresh: npt.NDArray[_T]) -> None:
    """Write the rows of ``old`` that stay and those of the new notes, each where its note is now, as ``np.save`` would
    write all of them."""
    pieces: dict[int, npt.NDArray[_T]] = dict(zip(notes.fresh, fresh, strict=True))
    pieces |= {begin: old[notes.kept[begin] : notes.kept[begin] + end - begin] for begin, end in _stretches(notes.kept)}
    header = {"descr": old.dtype.str, "fortran_order": False, "shape": (len(notes), old.shape[1])}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for row in sorted(pieces):
            np.ascontiguousarray(pieces[row], dtype=old.dtype).tofile(file)


def _stretches(kept: npt.NDArray[np.int64], moved: npt.NDArray[np.bool_] | None = None) -> list[tuple[int, int]]:
    """Where rows that stay stand one after the other, now and in the old index, and are ``moved`` alike: begins and
    ends."""
    cut = np.diff(kept) != 1
    if moved is not None:
        cut |= np.diff(moved)
    bounds = [0, *(np.flatnonzero(cut) + 1).tolist(), len(kept)]
    return [(begin, end) for begin, end in pairwise(bounds) if kept[begin] >= 0]


def write_renewed(part: Path, notes: Renewed) -> None:
    """What ``write_notes`` writes; only the numbers of lines change in what stays."""
    old, kept, moved = notes.old, notes.kept, notes.moved
    pieces = {row: note_line(note) for row, note in notes.fresh.items()}  # by the first of their rows
    sizes = np.zeros(len(notes), dtype=np.int64)
    sizes[list(pieces)] = [len(line) for line in pieces.values()]
    for begin, end in _stretches(kept, moved):
        text, starts = old.lines(int(kept[begin]), int(kept[begin]) + end - begin)
        if moved[begin]:
            numbers = map(str, notes.lines[begin:end].tolist())
            text = _LINE.sub(lambda _, numbers=numbers: b'"line":%s}\n' % next(numbers).encode(), text)  # type: ignore[misc]
            sizes[begin:end] = [len(line) + 1 for line in text.split(b"\n")[:-1]]
        else:
            sizes[begin:end] = np.diff(starts)
        pieces[begin] = text
    with (part / "notes.jsonl").open("wb") as file:
        file.writelines(pieces[row] for row in sorted(pieces))
    np.save(part / "notes.starts.npy", np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), allow_pickle=False)
    np.save(part / "topics.npy", _topics(notes), allow_pickle=False)
    np.save(part / "notes.by_id.npy", _by_id(notes), allow_pickle=False)


def _topics(notes: Renewed) -> npt.NDArray[np.int32]:
    """A number a topic, by first appearance."""
    old = notes.old
    known, firsts = np.unique(old.topics, return_index=True)
    topics = np.where(notes.kept >= 0, old.topics[notes.kept], 0)
    fresh = {note.topic for note in notes.fresh.values()} - {""}
    numbers = {"": 0}
    if fresh:
        names = ((old.note(int(row)).topic, int(number)) for number, row in zip(known, firsts, strict=True))
        numbers |= {name: number for name, number in names if name in fresh}
    for row, note in notes.fresh.items():
        topics[row] = numbers.setdefault(note.topic, int(known[-1]) + 1 + len(numbers))
    found, firsts = np.unique(topics, return_index=True)
    rank = np.zeros(int(found[-1]) + 1, dtype=np.int32)
    named = found > 0
    rank[found[named][np.argsort(firsts[named])]] = np.arange(1, named.sum() + 1)
    return rank[topics]


def _by_id(notes: Renewed) -> npt.NDArray[np.int32]:
    """The rows in the order of their ids."""
    old = notes.old
    rows = np.full(len(old), -1, dtype=np.int32)
    stay = np.flatnonzero(notes.kept >= 0)
    rows[notes.kept[stay]] = stay
    order = rows[old.rows_by_id]
    places = {row: old.place_of(note.id) for row, note in notes.fresh.items()}
    fresh = sorted(places, key=lambda row: notes.fresh[row].id)
    order = np.insert(order, [places[row] for row in fresh], fresh)
    return order[order >= 0]
