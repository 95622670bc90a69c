"""This module finds what a build may take over from the index that is there."""

from __future__ import annotations

from pathlib import Path

from indexer.errors import IndexCorruptError, IndexNotFoundError, IndexVersionError
from indexer.manifest import Manifest, read_manifest
from indexer.seal import can_seal
from indexer.store import Index, open_index


def what_is_there(folder: Path, rebuild: bool, remarks: list[str]) -> tuple[Manifest | None, Index | None, bool]:
    """The manifest and, where it is sound and may be used, the index that stand in ``folder``; and whether the parts
    that are made from the others are sound as well, and this user's own.

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
        problems = index.problems()
    except IndexCorruptError as error:
        problems = [error.problem]
    if problems:
        remarks.append(f"the old index was damaged ({problems[0]}): built from nothing")
        return manifest, None, True
    if not index.is_own() and can_seal():
        remarks.append("the old index was not built by you on this machine: its words are indexed anew")
        return manifest, index, False
    problems = index.derived_problems()
    if problems:
        remarks.append(f"the old index was damaged ({problems[0]}): built again from what its notes were encoded to")
    return manifest, index, not problems
