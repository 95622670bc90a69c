"""This module builds an index: read, reuse what did not change, write, verify, publish."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from indexer.acronyms import save_acronyms
from indexer.adapters import Tuning, save_adapter
from indexer.analysis import Analyser
from indexer.blas import one_blas_thread
from indexer.calibration import calibrate
from indexer.encoders import load_encoder
from indexer.encoding import Progress, encode_notes, learn_whitening
from indexer.errors import (
    EncoderMismatchError,
    IndexCorruptError,
    IndexLockedError,
    IndexNotFoundError,
    IndexVersionError,
)
from indexer.freshness import DEFAULT_INPUT, NoteChanges, differences, recorded_inputs
from indexer.grams import GRAM_LIMIT, compile_grams
from indexer.impacts import DEFAULT_BM25, compile_impacts, save_impacts
from indexer.journal import forget
from indexer.late import save_late
from indexer.lexical import open_whoosh, stop_words, write_whoosh
from indexer.manifest import Manifest, read_manifest
from indexer.mining import mine_acronyms
from indexer.pairs import measure_spreads
from indexer.protocols import DEFAULT_ENCODER, Encoder, EncoderInfo, TokenEncoder
from indexer.publish import note_line, publish, sweep, write_notes
from indexer.sources import Collection, read_notes
from indexer.store import Index, open_index
from indexer.tuning import taught
from indexer.vectors import ANN_THRESHOLD, build_ann, save_vectors
from indexer.whitening import save_pairs, whiten
from indexer.words import compile_words, save_words

DEFAULT_LANGUAGE = "english"


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did.  ``remarks`` are what its caller should know of the old index, a sentence each."""

    generation: str
    published: bool  # False when nothing had changed and the old generation stays
    n_notes: int
    n_sources: int
    changes: NoteChanges  # against the generation before
    encoded: int  # texts that went through the encoder; the other vectors were taken over
    warnings: list[str]
    left_out: list[str]
    remarks: list[str]
    encoder: Encoder  # without what notes taught it: for the next build, which need not load it again

    @property
    def added(self) -> int:
        """How many notes are new."""
        return len(self.changes.added)

    @property
    def changed(self) -> int:
        """How many notes are not as they were."""
        return len(self.changes.changed)

    @property
    def removed(self) -> int:
        """How many notes are gone."""
        return len(self.changes.removed)


def build_index(
    paths: Sequence[Path],
    folder: Path,
    *,
    encoder: str | Encoder | None = None,
    language: str | None = None,
    device: str | None = None,
    tokens: bool | None = None,
    rebuild: bool = False,
    tune: bool | None = None,
    progress: Progress | None = None,
) -> BuildReport:
    """Index the notes in ``paths`` (files or folders) into ``folder`` and publish a new generation.

    No ``paths`` means those of the index that is there, or ``data``.  ``encoder`` (a name, or a ready encoder) and
    ``language`` default likewise to what the index was built with, and so do ``tokens``: whether token vectors are kept
    (20 KB a note, up to 20,000 notes), at first True.  Where nothing changed nothing is published;
    where notes changed only their texts are encoded.  ``rebuild`` takes over no vector from the old index.
    ``tune`` lets the notes teach the encoder (True, once and anew), leaves it plain (False) or as it is (None).

    Raises SourceError, EncoderError, IndexLockedError, and IndexVersionError unless ``rebuild`` is asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0), one_blas_thread():
            sweep(folder)
            report = _build(
                paths, folder, encoder, language, device, tokens, rebuild, tune, progress or (lambda *_: None)
            )
            forget(folder)
            return report
    except Timeout:
        raise IndexLockedError(folder) from None


def _build(
    paths: Sequence[Path],
    folder: Path,
    encoder: str | Encoder | None,
    language: str | None,
    device: str | None,
    tokens: bool | None,
    rebuild: bool,
    tune: bool | None,
    progress: Progress,
) -> BuildReport:
    remarks: list[str] = []
    manifest, old = _previous(folder, rebuild, remarks)
    if not paths:
        paths = recorded_inputs(folder, manifest) if manifest else [DEFAULT_INPUT]
    collection = read_notes(paths, exclude=[folder])
    analyser = _analyser(language, manifest)
    plain = _encoder(encoder, device, manifest, remarks)
    before = manifest.tuning if manifest else None
    coder, adapter, tuning = taught(collection.notes, plain, before, old, tune, progress, remarks)
    wants_tokens = tokens if tokens is not None else manifest is None or manifest.wants_tokens
    report = partial(
        BuildReport,
        n_notes=len(collection.notes),
        n_sources=len(collection.sources),
        warnings=collection.warnings,
        left_out=collection.left_out,
        remarks=remarks,
        encoder=plain,
    )
    inputs = [_relative(path, folder) for path in paths]
    same = (
        old is not None and not tune and _unchanged(old, collection, analyser, coder.info, tuning, inputs, wants_tokens)
    )
    if old is not None and same:
        return report(generation=old.manifest.generation, published=False, changes=NoteChanges(), encoded=0)

    encoded, late, n_encoded = encode_notes(collection.notes, coder, old, wants_tokens, progress, folder, remarks)
    whitening, matrix, training = learn_whitening(collection.notes, encoded, coder, old, progress)
    vectors = encoded if matrix is None else whiten(encoded, matrix)
    centroid = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    has_ann = len(collection.notes) >= ANN_THRESHOLD
    has_grams = len(collection.notes) <= GRAM_LIMIT
    describe = partial(
        Manifest,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        n_notes=len(collection.notes),
        inputs=inputs,
        sources=[asdict(source) for source in collection.sources],
        analyser=analyser,
        bm25=DEFAULT_BM25,
        encoder=coder.info,
        calibration=calibrate(vectors, centroid),
        whitening=whitening,
        wants_tokens=wants_tokens,
        tuning=tuning,
        has_late=late is not None,
        has_grams=has_grams,
        has_ann=has_ann,
    )

    spreads = []  # known once the impacts are

    def write(part: Path) -> None:
        write_notes(part, collection.notes)
        save_vectors(part / "vectors.npy", vectors)
        if training is not None:
            save_pairs(part / "training", training)
        if matrix is not None:
            save_vectors(part / "whitening.npy", matrix)
            save_vectors(part / "encoded.npy", encoded)
        if adapter is not None:
            save_adapter(part / "adapter.safetensors", adapter)
        save_vectors(part / "centroid.npy", centroid)
        progress("indexing words", 0, 1)
        write_whoosh(part / "whoosh", collection.notes, analyser)
        impacts = compile_impacts(open_whoosh(part / "whoosh"), analyser, DEFAULT_BM25)
        save_impacts(part / "impacts", impacts)
        language = coder.words() if isinstance(coder, TokenEncoder) else []
        save_words(part / "words", compile_words(collection.notes, DEFAULT_BM25.fields, analyser, impacts, language))
        acronyms = mine_acronyms(collection.notes, DEFAULT_BM25.fields, analyser, impacts)
        save_acronyms(part / "acronyms", acronyms)
        if has_grams:
            save_impacts(part / "grams", compile_grams(collection.notes, analyser, DEFAULT_BM25))
        if late is not None:
            save_late(part / "late", late)
        spreads.append(measure_spreads(vectors, impacts, late))
        progress("indexing words", 1, 1)
        if has_ann:
            progress("linking vectors", 0, 1)
            build_ann(part / "ann.faiss", vectors)
            progress("linking vectors", 1, 1)

    index = publish(folder, write, lambda **named: describe(spreads=spreads[0], **named))
    return report(
        generation=index.manifest.generation,
        published=True,
        changes=differences(old.notes() if old is not None else [], collection.notes),
        encoded=n_encoded,
    )


def _previous(folder: Path, rebuild: bool, remarks: list[str]) -> tuple[Manifest | None, Index | None]:
    """The manifest and, where it is sound and may be used, the index that stand in ``folder``."""
    try:
        manifest = read_manifest(folder)
    except IndexNotFoundError:
        return None, None
    except IndexCorruptError as error:
        remarks.append(f"{error.problem}: built from nothing")
        return None, None
    except IndexVersionError:
        if rebuild:
            return None, None
        raise
    if rebuild:
        return manifest, None
    try:
        index = open_index(folder)
        problems = index.problems()
    except IndexCorruptError as error:
        problems = [error.problem]
    if problems:
        remarks.append(f"the old index was damaged ({problems[0]}): built from nothing")
        return manifest, None
    return manifest, index


def _analyser(language: str | None, manifest: Manifest | None) -> Analyser:
    chosen = language or (manifest.analyser.language if manifest else DEFAULT_LANGUAGE)
    return Analyser(chosen, stop_words(chosen))


def _encoder(
    encoder: str | Encoder | None, device: str | None, manifest: Manifest | None, remarks: list[str]
) -> Encoder:
    if encoder is not None and not isinstance(encoder, str):
        return encoder
    known = manifest.encoder if manifest and manifest.encoder.runtime != "custom" else None
    name = encoder or (known.name if known else DEFAULT_ENCODER)
    if known is not None and known.name == name:
        try:
            return load_encoder(name, device, known.plain())
        except EncoderMismatchError:
            remarks.append(f"the model {name} is not the one that built the old index: every note is encoded again")
    return load_encoder(name, device)


def _unchanged(
    old: Index,
    collection: Collection,
    analyser: Analyser,
    encoder: EncoderInfo,
    tuning: Tuning | None,
    inputs: list[str],
    tokens: bool,
) -> bool:
    digest = sha256()
    for note in collection.notes:
        digest.update(note_line(note))
    manifest = old.manifest
    return (
        manifest.files["notes.jsonl"]["sha256"] == digest.hexdigest()
        and manifest.sources == [asdict(source) for source in collection.sources]
        and manifest.inputs == inputs
        and manifest.analyser == analyser
        and manifest.bm25 == DEFAULT_BM25
        and manifest.wants_tokens == tokens
        and manifest.tuning == tuning
        and replace(manifest.encoder, stamp=None) == replace(encoder, stamp=None)
    )


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive on Windows
        return path.absolute().as_posix()
