"""This module says whether an index is sound: its files those that were published, and in agreement with each other."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from zlib import crc32

import numpy as np

from indexer.errors import IndexCorruptError
from indexer.integrity import damage, strangers
from indexer.manifest import MANIFEST, read_manifest
from indexer.store import Index


def problems(index: Index) -> list[str]:
    """What is wrong with a generation, a sentence each; [] when it is sound.  Reads every byte."""
    found = alterations(index)
    if found:
        return found
    ids = [note.id for note in index.notes()]
    rows = (("the lexical index names", index.impacts.rows), ("the postings name", index.postings.rows))
    if len(set(ids)) != len(ids):
        found.append("two notes share an id")
    if [ids[row] for row in index.rows_by_id] != sorted(ids):
        found.append("notes.by_id.npy does not sort the ids")
    if not np.allclose(np.linalg.norm(index.vectors, axis=1), 1, atol=1e-3):
        found.append("vectors.npy holds a row that is not a unit vector")
    terms = index.words.terms
    if terms.size and not -1 <= terms.min() <= terms.max() < len(index.impacts):
        found.append("a word leads to a term that does not exist")
    for owner, named in rows:
        if named.size and not 0 <= named.min() <= named.max() < len(index):
            found.append(f"{owner} a row that does not exist")
    return found


def alterations(index: Index, quick: bool = False) -> list[str]:
    """Which files are not as they were published, missing or too many, a sentence each.  Reads every byte;
    ``quick`` as ``indexer.integrity.damage`` has it."""
    manifest = index.manifest
    copy = manifest.to_json().encode("utf-8")
    own = {"bytes": len(copy), "crc32": crc32(copy), "sha256": sha256(copy).hexdigest()}
    known = {**manifest.files, MANIFEST: own}
    folder = index.path("")
    return [*damage(folder, known, quick=quick), *strangers(folder, known)]


def damage_in(folder: Path) -> list[str]:
    """The same of the newest generation of an index that cannot be opened."""
    try:
        manifest = read_manifest(folder)
        return list(damage(folder / manifest.generation, manifest.files))
    except IndexCorruptError as error:
        return [error.problem]
    except FileNotFoundError:
        return [f"the generation {manifest.generation} is missing"]
