"""This module finds older generations, and what a build may take over from the index that is there."""

from __future__ import annotations

from pathlib import Path

from indexer.errors import IndexCorruptError, IndexNotFoundError, IndexStateError, IndexVersionError
from indexer.integrity import damage, lasting
from indexer.manifest import GENERATION, Manifest, read_manifest
from indexer.soundness import alterations
from indexer.store import Index, open_index


def what_is_there(folder: Path, rebuild: bool, remarks: list[str]) -> tuple[Manifest | None, Index | None, bool]:
    """The manifest of the index in ``folder``, an index to take over notes and vectors from, and whether what is
    published may stay where no note changed.

    That index is the newest generation where these are sound, else the one before it where that is sound and was built
    alike.  The manifest is its copy where the one that is read is damaged.  ``remarks`` is told what is wrong.
    Raises IndexVersionError unless ``rebuild`` is asked for.
    """
    try:
        manifest = read_manifest(folder)
    except IndexNotFoundError:
        return None, None, True
    except IndexCorruptError as error:
        copy = None if rebuild else newest_copy(folder)
        if copy is None or alterations(copy, quick=True):
            remarks.append(f"{error.problem}: built from nothing")
            return None, None, True
        remarks.append(f"{error.problem}: its copy in {copy.manifest.generation} was read instead")
        return copy.manifest, copy, False
    except IndexVersionError:
        if rebuild:
            return None, None, True
        raise
    if rebuild:
        return manifest, None, True
    try:
        index = open_index(folder)
        found = alterations(index, quick=True)
    except IndexCorruptError as error:
        found = [error.problem]
    if not found:
        return manifest, index, True
    kept = _lasting_part(folder, manifest)
    if kept is not None:
        remarks.append(f"the old index was damaged ({found[0]}): built again from what its notes were encoded to")
        return manifest, kept, False
    from indexer.ways import Ways  # here, because a search opens older generations and builds nothing

    older = newest_copy(folder, manifest.generation[:6])
    if older is not None and not alterations(older, quick=True) and Ways.of(manifest).made(older.manifest):
        remarks.append(f"the old index was damaged ({found[0]}): built again from the generation before")
        return manifest, older, False
    remarks.append(f"the old index was damaged ({found[0]}): built from nothing")
    return manifest, None, True


def _lasting_part(folder: Path, manifest: Manifest) -> Index | None:
    """The notes and vectors of a generation of which the rest is damaged; None where they are as well."""
    generation = folder / manifest.generation
    try:
        kept = Index(folder, manifest, generation, whole=False)
        return None if any(damage(generation, lasting(manifest.files), quick=True)) else kept
    except (IndexCorruptError, FileNotFoundError):
        return None


def open_previous(index: Index) -> Index | None:
    """The generation before that of ``index``, or None where it is not kept, or not in a state to be read.

    Each generation holds a copy of its manifest; those of earlier versions do not.
    """
    return newest_copy(index.folder, index.manifest.generation[:6])


def newest_copy(folder: Path, before: str = "~") -> Index | None:
    """The newest generation in ``folder`` whose name comes ``before``, opened by its own copy of the manifest, or None
    where none can be."""
    names = [path.name for path in folder.iterdir() if GENERATION.fullmatch(path.name)]
    for name in sorted((name for name in names if name < before), reverse=True):
        try:
            return Index(folder, read_manifest(folder / name), folder / name)
        except (IndexStateError, FileNotFoundError):
            continue
    return None
