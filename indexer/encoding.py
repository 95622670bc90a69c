"""This module encodes notes, and takes over from an older index what it already encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from indexer.bert import Vectors
from indexer.encoders import prepare
from indexer.journal import WORTH_KEEPING, Journal, taken_over
from indexer.late import LATE_LIMIT, LateIndex, TokenStates, assemble, quantise
from indexer.notes import Note
from indexer.protocols import Encoder, TokenEncoder
from indexer.store import Index
from indexer.whitening import Matrix, TrainingPairs, Whitening, chosen_rows, encode_pairs, learn

Progress = Callable[[str, int, int], None]  # stage, done so far, of how many

_CHUNK = 1024  # texts whose vectors come back, and are kept, together: some ten seconds of work


def encoder_text(note: Note) -> str:
    """What the encoder reads of a note."""
    return f"{note.title} {note.description}".strip()


def encode_notes(
    notes: Sequence[Note],
    encoder: Encoder,
    old: Index | None,
    tokens: bool,
    progress: Progress,
    folder: Path,
    remarks: list[str],
) -> tuple[Vectors, LateIndex | None, int]:
    """The vectors of all notes as the encoder gives them, float32 [n_notes, dim], their token vectors where
    ``tokens`` are wanted and can be had, and how many texts had to be encoded for them.

    What is encoded is kept in ``folder`` until ``indexer.journal.forget``, and what a build that was stopped left there
    is taken over; a remark says how much.
    """
    texts = [encoder_text(note) for note in notes]
    by_token = tokens and isinstance(encoder, TokenEncoder) and len(notes) <= LATE_LIMIT
    vectors: dict[str, Vectors] = {}
    states: dict[str, TokenStates] = {}
    if old is not None and _same_encoder(old, encoder) and (old.late or not by_token):
        wanted = set(texts)
        for row, note in enumerate(old.notes()):
            text = encoder_text(note)
            if text in wanted:
                vectors[text] = old.encoded[row]
                if by_token and old.late is not None:
                    states[text] = old.late.states(row)
    missing = [text for text in dict.fromkeys(texts) if text not in vectors]
    with Journal(folder, encoder.info.fingerprint, encoder.info.dim, by_token) as journal:
        for text, vector, kept in taken_over(missing, journal):
            vectors[text] = vector
            if kept is not None:
                states[text] = kept
        left = [text for text in missing if text not in vectors]
        if len(left) < len(missing):
            found = len(missing) - len(left)
            remarks.append(f"went on where a build was stopped: {found:,} of {len(missing):,} texts were encoded")
        keeps = len(left) >= WORTH_KEEPING
        device = prepare(encoder, len(left)) if left else ""
        if device not in ("", "cpu"):
            remarks.append(f"encoded on {device}")
        for text, (vector, kept) in zip(left, _encode(left, encoder, by_token, progress), strict=True):
            vectors[text] = vector
            if kept is not None:
                states[text] = kept
            if keeps:
                journal.keep(text, vector, kept)
    matrix = np.array([vectors[text] for text in texts], dtype=np.float32)
    late = assemble([states[text] for text in texts], encoder.info.dim) if by_token else None
    return matrix, late, len(left)


def _encode(
    texts: Sequence[str], encoder: Encoder, by_token: bool, progress: Progress
) -> Iterator[tuple[Vectors, TokenStates | None]]:
    """Vectors of texts in their order, with token vectors where they are wanted."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("encoding notes", done, len(texts))

    if isinstance(encoder, TokenEncoder) and by_token:
        for found in encoder.encode_document_tokens(texts, advance):
            yield found.vector, quantise(found.tokens, found.pieces)
    else:
        for begin in range(0, len(texts), _CHUNK):
            for vector in encoder.encode_documents(texts[begin : begin + _CHUNK], advance):
                yield vector, None


def learn_whitening(
    notes: Sequence[Note], encoded: Vectors, encoder: Encoder, old: Index | None, progress: Progress
) -> tuple[Whitening | None, Matrix | None, TrainingPairs | None]:
    """What the notes teach of their vectors (see ``indexer.whitening``), the matrix where it helps, and the pairs that
    taught it; nothing where too few notes have both texts."""
    rows, keys = chosen_rows(notes)
    if not keys:
        return None, None, None
    before = old.training if old is not None and _same_encoder(old, encoder) else None
    progress("learning from titles", 0, 1)
    pairs = encode_pairs([notes[row] for row in rows], keys, encoder.encode_documents, before)
    facts, matrix = learn(pairs, encoded, rows)
    progress("learning from titles", 1, 1)
    return facts, matrix if facts.helps else None, pairs


def _same_encoder(old: Index, encoder: Encoder) -> bool:
    return old.manifest.encoder.fingerprint == encoder.info.fingerprint
