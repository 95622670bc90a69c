"""This module publishes generations: whole on disk before the manifest, replaced at once, names them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from indexer.files import replace_text, sync
from indexer.integrity import entry_of
from indexer.manifest import GENERATION, MANIFEST, Manifest, published_generation
from indexer.notes import Note
from indexer.store import Index

_UNFINISHED = ".part"


def write_notes(folder: Path, notes: Sequence[Note]) -> None:
    """Write notes.jsonl and its tables: where each line begins, the rows in the order of ids, a number a topic."""
    lines = [note_line(note) for note in notes]
    (folder / "notes.jsonl").write_bytes(b"".join(lines))
    starts = np.cumsum([0, *map(len, lines)], dtype=np.int64)
    np.save(folder / "notes.starts.npy", starts, allow_pickle=False)
    numbers = {"": 0}
    topics = [numbers.setdefault(note.topic, len(numbers)) for note in notes]
    np.save(folder / "topics.npy", np.array(topics, dtype=np.int32), allow_pickle=False)
    by_id = sorted(range(len(notes)), key=lambda row: notes[row].id)
    np.save(folder / "notes.by_id.npy", np.array(by_id, dtype=np.int32), allow_pickle=False)


def note_line(note: Note) -> bytes:
    """A note's line in notes.jsonl."""
    return (json.dumps(note.as_dict(), ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8")


def publish(folder: Path, write: Callable[[Path], None], describe: Callable[..., Manifest]) -> Index:
    """Make a new generation of the index in ``folder``, and return it open.

    ``write`` fills an empty folder; ``describe(generation=…, files=…)`` gives its manifest.  The generation
    is on disk, read back and named before the manifest points to it; until then nothing that a reader needs is touched.
    The one before it is kept for readers that are about to open it, older ones are dropped.
    The caller holds the index's lock.
    """
    generations = [path.name for path in folder.iterdir() if GENERATION.fullmatch(path.name)]
    number = 1 + max((int(name[:6]) for name in generations), default=0)
    previous = published_generation(folder)
    part = folder / f"{number:06d}{_UNFINISHED}"
    part.mkdir()
    write(part)
    paths = sorted(part.rglob("*"))
    files: dict[str, dict[str, Any]] = {}
    with ThreadPoolExecutor(2) as pool:  # one file is hashed while the disk takes another
        for path, entry in zip(paths, pool.map(_settled, paths), strict=True):
            if entry is not None:
                files[path.relative_to(part).as_posix()] = entry
    content = "".join(str(entry["sha256"]) for _, entry in sorted(files.items()))
    generation = f"{number:06d}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    manifest = describe(generation=generation, files=files)
    replace_text(part / MANIFEST, manifest.to_json())  # a copy, for when a newer generation has the folder's
    Index(folder, manifest, part)
    part.rename(folder / generation)
    sync(folder)
    replace_text(folder / MANIFEST, manifest.to_json())
    for name in generations:
        if name != previous:
            _drop(folder / name)
    return Index(folder, manifest, folder / generation)


def _settled(path: Path) -> dict[str, Any] | None:
    """Ask the disk to keep a file or folder; the manifest's entry of a file."""
    sync(path)
    return entry_of(path) if path.is_file() else None


def sweep(folder: Path) -> None:
    """Remove what interrupted builds left in ``folder``: what they did not finish, did not publish or did not get to
    drop.  The caller holds the index's lock."""
    for path in [*folder.glob(f"[0-9]*{_UNFINISHED}"), *folder.glob(f".{MANIFEST}.*")]:
        _drop(path)
    published = published_generation(folder)
    if (folder / MANIFEST).exists() and (published is None or not (folder / published).is_dir()):
        return  # damaged: what is worth keeping is for the next build to say
    generations = sorted(path.name for path in folder.iterdir() if GENERATION.fullmatch(path.name))
    older = [name for name in generations if published is not None and name < published]
    for name in generations:
        if name not in (published, *older[-1:]):
            _drop(folder / name)


def _drop(path: Path) -> None:
    """Remove a file or a folder.  A generation goes at once, so that nobody opens half of one."""
    if GENERATION.fullmatch(path.name):
        try:
            path = path.rename(path.with_name(path.name + _UNFINISHED))
        except PermissionError:  # a reader holds it on Windows: a later build drops it
            return
        except OSError:  # a full disk may refuse a name, but not to delete
            pass
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
