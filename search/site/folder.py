"""This module puts a finished site where it belongs: all of it at once, or nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer import SiteError

MARK = "kindred-site.json"  # tells a folder that we wrote from one that we must not touch


@contextmanager
def replaced(folder: Path, generation: str) -> Iterator[Path]:
    """An empty folder to write a site into, which takes the place of ``folder`` when the block ends well.

    What lies at the top of ``folder`` and is not ours (a CNAME, a .git) moves over.  Raises SiteError where ``folder``
    is a file, holds something but no site of ours, or cannot be written; then, and when the block fails, it stays as
    it is.
    """
    folder = Path(os.path.realpath(folder))
    before = _own_names(folder)
    new, old = (folder.with_name(f".{folder.name}.{role}-{os.getpid()}") for role in ("new", "old"))
    try:
        new.mkdir(parents=True)
    except OSError as error:
        raise SiteError(folder, f"cannot be written: {error.strerror}") from error
    try:
        yield new
        ours = sorted({path.name for path in new.iterdir()} | {MARK})
        mark = {"made by": "kindred export", "generation": generation, "holds": ours}
        (new / MARK).write_text(json.dumps(mark) + "\n", "utf-8")
        try:
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
            for path in sorted(old.iterdir()) if old.exists() else ():
                if path.name not in before and path.name not in ours:
                    path.rename(folder / path.name)
        except OSError as error:
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise SiteError(folder, f"cannot be replaced: {error.strerror}") from error
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _own_names(folder: Path) -> set[str]:
    """What a site in ``folder`` wrote at its top; empty where there is none.  Raises SiteError in any other folder."""
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise SiteError(folder, "is a file")
    if not any(folder.iterdir()):
        return set()
    try:
        return set(json.loads((folder / MARK).read_text("utf-8"))["holds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SiteError(folder, f"holds files and no site of kindred's (it has no {MARK})") from error
