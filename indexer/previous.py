"""This module finds what a build may take over from the index that is there."""

from __future__ import annotations

from pathlib import Path

from indexer.errors import IndexCorruptError, IndexNotFoundError, IndexVersionError
from indexer.integrity import damage, lasting
from indexer.manifest import Manifest, read_manifest
from indexer.soundness import alterations
from indexer.store import Index, open_index


def what_is_there(folder: Path, rebuild: bool, remarks: list[str]) -> tuple[Manifest | None, Index | None, bool]:
    """The manifest and, where its notes and vectors may be used, the index that stand in ``folder``; and whether the
    rest of it is sound as well.

    ``remarks`` is told what is wrong.  Raises IndexVersionError unless ``rebuild`` is asked for.
    """
    try:
        manifest = read_manifest(folder)
    except IndexNotFoundError:
        return None, None, True
    except IndexCorruptError as error:
        remarks.append(f"{error.problem}: built from nothing")
        return None, None, True
    except IndexVersionError:
        if rebuild:
            return None, None, True
        raise
    if rebuild:
        return manifest, None, True
    try:
        index = open_index(folder)
        found = alterations(index)
    except IndexCorruptError as error:
        found = [error.problem]
    if not found:
        return manifest, index, True
    try:
        generation = folder / manifest.generation
        kept = Index(folder, manifest, generation, whole=False)
        if not any(damage(generation, lasting(manifest.files))):
            remarks.append(f"the old index was damaged ({found[0]}): built again from what its notes were encoded to")
            return manifest, kept, False
    except (IndexCorruptError, FileNotFoundError):
        pass
    remarks.append(f"the old index was damaged ({found[0]}): built from nothing")
    return manifest, None, True
