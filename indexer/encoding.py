"""This module encodes notes, and takes over from an older index what it already encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from indexer.bert import Vectors
from indexer.encoders import Encoder, TokenEncoder
from indexer.late import LATE_LIMIT, LateIndex, TokenStates, assemble, quantise
from indexer.notes import Note
from indexer.store import Index

Progress = Callable[[str, int, int], None]  # stage, done so far, of how many


def encoder_text(note: Note) -> str:
    """What the encoder reads of a note."""
    return f"{note.title} {note.description}".strip()


def encode_notes(
    notes: Sequence[Note], encoder: Encoder, old: Index | None, progress: Progress
) -> tuple[Vectors, LateIndex | None, int]:
    """The matrix and the token vectors of all notes, and how many texts had to be encoded for them."""
    texts = [encoder_text(note) for note in notes]
    by_token = isinstance(encoder, TokenEncoder) and len(notes) <= LATE_LIMIT
    vectors: dict[str, Vectors] = {}
    states: dict[str, TokenStates] = {}
    if old is not None and old.manifest.encoder.fingerprint == encoder.info.fingerprint and (old.late or not by_token):
        wanted = set(texts)
        for row, note in enumerate(old.notes()):
            text = encoder_text(note)
            if text in wanted:
                vectors[text] = old.vectors[row]
                if old.late is not None:
                    states[text] = old.late.states(row)
    missing = [text for text in dict.fromkeys(texts) if text not in vectors]
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("encoding notes", done, len(missing))

    if isinstance(encoder, TokenEncoder) and by_token:
        encoded = encoder.encode_document_tokens(missing, advance)
        for text, found in zip(missing, encoded, strict=True):
            vectors[text], states[text] = found.vector, quantise(found.tokens, found.pieces)
    else:
        vectors.update(zip(missing, encoder.encode_documents(missing, advance), strict=True))
    matrix = np.array([vectors[text] for text in texts], dtype=np.float32)
    late = assemble([states[text] for text in texts], encoder.info.dim) if by_token else None
    return matrix, late, len(missing)
