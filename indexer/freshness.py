"""This module says how the notes on disk differ from those in an index."""

from __future__ import annotations

from pathlib import Path

from indexer.manifest import Manifest
from indexer.sources import read_notes
from indexer.store import Index


def recorded_inputs(folder: Path, manifest: Manifest) -> list[Path]:
    """The paths that the index in ``folder`` was built from, as they are reached from here."""
    absolute = [(folder.absolute() / path).resolve() for path in manifest.inputs]
    here = Path.cwd().resolve()
    return [path.relative_to(here) if path.is_relative_to(here) else path for path in absolute]


def sources_changed(folder: Path, index: Index) -> list[str]:
    """What differs between the notes on disk and those in the index: "added: id", "changed: id", "removed: id".

    Raises SourceError when the notes can no longer be read.
    """
    current = {note.id: note for note in read_notes(recorded_inputs(folder, index.manifest), exclude=[folder]).notes}
    indexed = {note.id: note for note in index.notes()}
    return (
        [f"added: {note_id}" for note_id in sorted(current.keys() - indexed.keys())]
        + [f"changed: {key}" for key in sorted(current.keys() & indexed.keys()) if current[key] != indexed[key]]
        + [f"removed: {note_id}" for note_id in sorted(indexed.keys() - current.keys())]
    )
