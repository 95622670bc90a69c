"""This module builds an index: read, reuse what did not change, write, verify, publish."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from indexer.adapters import save_adapter
from indexer.analysis import Analyser
from indexer.artefacts import write_words
from indexer.blas import one_blas_thread
from indexer.calibration import calibrate
from indexer.codes import CODES_THRESHOLD, compress, save_codes
from indexer.encoders import load_encoder
from indexer.encoding import Progress, encode_notes, learn_whitening
from indexer.errors import EncoderMismatchError, IndexLockedError, IndexWriteError
from indexer.files import make_folder
from indexer.freshness import NoteChanges, differences, recorded_inputs, usual_inputs
from indexer.grams import GRAM_LIMIT
from indexer.impacts import DEFAULT_BM25
from indexer.journal import forget
from indexer.late import save_late
from indexer.lexical import stop_words
from indexer.manifest import Manifest, stated_choices
from indexer.pairs import measure_spreads
from indexer.partial import RENEWAL_THRESHOLD, changes_of, drift_of, renew_index
from indexer.previous import what_is_there
from indexer.protocols import DEFAULT_ENCODER, Encoder, TokenEncoder
from indexer.publish import publish, sweep, write_notes
from indexer.renewal import Origins, Renewed, compared, origins_of, renew
from indexer.sources import Collection, read_notes
from indexer.store import Index
from indexer.tuning import taught
from indexer.vectors import save_vectors
from indexer.ways import Ways, unchanged
from indexer.whitening import save_pairs, whiten

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

    Raises SourceError, EncoderError, IndexLockedError and IndexWriteError; IndexVersionError unless ``rebuild`` is
    asked for.
    """
    try:
        make_folder(folder)
        with FileLock(folder / ".lock", timeout=0), one_blas_thread():
            sweep(folder)
            try:
                report = _build(
                    paths, folder, encoder, language, device, tokens, rebuild, tune, progress or (lambda *_: None)
                )
            except BaseException:  # a full disk needs the room at once
                sweep(folder)
                raise
            forget(folder)
            return report
    except Timeout:
        raise IndexLockedError(folder) from None
    except OSError as error:
        raise IndexWriteError(folder, error) from error


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
    manifest, old, whole = what_is_there(folder, rebuild, remarks)
    if not paths:
        paths = recorded_inputs(folder, manifest) if manifest else usual_inputs(folder)
    said = stated_choices(folder) if manifest is None else None
    if said is not None:  # what another format, or what is left of a manifest, says of how it was built
        language, encoder = language or said.language, encoder or said.encoder
        tokens, tune = said.tokens if tokens is None else tokens, said.tune if tune is None else tune
    progress("reading notes", 0, 1)
    before = old.origins if old is not None else None
    base = old if whole else None
    known = renew(paths, [folder], base, before) if base is not None and before is not None else None
    collection, origins = known or _read(paths, folder, base)
    progress("reading notes", 1, 1)
    analyser = _analyser(language, manifest)
    plain = _encoder(encoder, device, manifest, remarks)
    learned = manifest.tuning if manifest else None
    coder, adapter, tuning = taught(collection.notes, plain, learned, old, tune, progress, remarks)
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
    ways = Ways(inputs, analyser, DEFAULT_BM25, coder.info, tuning, wants_tokens)
    if old is not None and whole and not tune and unchanged(old, collection, ways):
        return report(generation=old.manifest.generation, published=False, changes=NoteChanges(), encoded=0)
    if isinstance(collection.notes, Renewed):
        manifest = collection.notes.old.manifest
        drift = drift_of(collection.notes) if ways.made(manifest) and not tune else None
        if drift is not None:
            renewed = replace(
                manifest,
                created=_now(),
                n_notes=len(collection.notes),
                sources=[asdict(source) for source in collection.sources],
                encoder=coder.info,
                drift=drift,
            )
            index, n_encoded = renew_index(folder, collection.notes, origins, renewed, coder, progress)
            changes = changes_of(collection.notes)
            return report(generation=index.manifest.generation, published=True, changes=changes, encoded=n_encoded)
        collection = replace(collection, notes=list(collection.notes))

    encoded, late, n_encoded = encode_notes(collection.notes, coder, old, wants_tokens, progress, folder, remarks)
    whitening, matrix, training = learn_whitening(collection.notes, encoded, coder, old, progress)
    vectors = encoded if matrix is None else whiten(encoded, matrix)
    centroid = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    has_codes = len(collection.notes) >= CODES_THRESHOLD
    has_grams = len(collection.notes) <= GRAM_LIMIT
    describe = partial(
        Manifest,
        created=_now(),
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
        has_codes=has_codes,
        drift=0,
    )

    spreads = []  # known once the impacts are

    def write(part: Path) -> None:
        write_notes(part, collection.notes)
        if origins is not None and len(collection.notes) >= RENEWAL_THRESHOLD:
            np.save(part / "origins.npy", origins, allow_pickle=False)
        save_vectors(part / "vectors.npy", vectors)
        if training is not None:
            save_pairs(part / "training", training)
        if matrix is not None:
            save_vectors(part / "whitening.npy", matrix)
            save_vectors(part / "encoded.npy", encoded)
        if adapter is not None:
            save_adapter(part / "adapter.safetensors", adapter)
        save_vectors(part / "centroid.npy", centroid)
        language = coder.words() if isinstance(coder, TokenEncoder) else []
        impacts = write_words(part, collection.notes, analyser, DEFAULT_BM25, language, has_grams, progress)
        if late is not None:
            save_late(part / "late", late)
        spreads.append(measure_spreads(vectors, impacts, late))
        if has_codes:
            progress("compressing vectors", 0, 1)
            save_codes(part / "codes", compress(vectors))
            progress("compressing vectors", 1, 1)

    index = publish(folder, write, lambda **named: describe(spreads=spreads[0], **named))
    return report(
        generation=index.manifest.generation,
        published=True,
        changes=differences(old.notes() if old is not None else [], collection.notes),
        encoded=n_encoded,
    )


def _read(paths: Sequence[Path], folder: Path, old: Index | None) -> tuple[Collection, Origins | None]:
    """All notes, and what they are known by next time; in a large collection as ``Renewed`` where they can be."""
    collection = read_notes(paths, exclude=[folder])
    if len(collection.notes) < RENEWAL_THRESHOLD:
        return collection, None
    origins = origins_of(paths, [folder], collection)
    renewed = compared(old, collection.notes) if old is not None else None
    return (collection if renewed is None else replace(collection, notes=renewed)), origins


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


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive on Windows
        return path.absolute().as_posix()
