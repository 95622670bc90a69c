"""This module says whether an index already is what a build would make of the notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

from indexer.adapters import Tuning
from indexer.analysis import Analyser
from indexer.impacts import Bm25
from indexer.manifest import Manifest
from indexer.notes import Note
from indexer.protocols import EncoderInfo
from indexer.publish import note_line
from indexer.renewal import Renewed
from indexer.sources import Collection
from indexer.store import Index


@dataclass(frozen=True, slots=True)
class Ways:
    """How an index is made, whatever the notes are."""

    inputs: list[str]
    analyser: Analyser
    bm25: Bm25
    encoder: EncoderInfo
    tuning: Tuning | None
    tokens: bool

    @classmethod
    def of(cls, manifest: Manifest) -> Ways:
        """How the index of ``manifest`` was made."""
        return cls(
            manifest.inputs, manifest.analyser, manifest.bm25, manifest.encoder, manifest.tuning, manifest.wants_tokens
        )

    def made(self, manifest: Manifest) -> bool:
        """Whether the index of ``manifest`` was made like this."""
        return (
            manifest.inputs == self.inputs
            and manifest.analyser == self.analyser
            and manifest.bm25 == self.bm25
            and manifest.wants_tokens == self.tokens
            and manifest.tuning == self.tuning
            and replace(manifest.encoder, stamp=None) == replace(self.encoder, stamp=None)
        )


def unchanged(old: Index, collection: Collection, ways: Ways) -> bool:
    """Whether ``old`` holds these notes, and was made like this."""
    sources = [asdict(source) for source in collection.sources]
    return old.manifest.sources == sources and ways.made(old.manifest) and _holds(old, collection.notes)


def _holds(old: Index, notes: Sequence[Note]) -> bool:
    if isinstance(notes, Renewed):
        return not (notes.fresh or notes.gone.size or notes.moved.any())
    digest = sha256()
    for note in notes:
        digest.update(note_line(note))
    known: str = old.manifest.files["notes.jsonl"]["sha256"]
    return known == digest.hexdigest()
