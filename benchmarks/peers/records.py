"""This module keeps what a long run has measured so far beside the cache, until it is published with its tables.

So the tables in README.md and the records in results/ always belong together, whenever a run is stopped.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.peers.arithmetic import Record, merged
from benchmarks.results import ROOT, saved

CACHE = ROOT / ".cache" / "peers"


def so_far(name: str, depth: int) -> Record:
    """What was published, and over it what was measured since; see ``merged`` for ``depth``."""
    path = _path(name)
    since: Record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return merged(saved(name), since, depth)


def add(name: str, new: Record, depth: int) -> None:
    """Keep a part of a record, whole or not at all."""
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(merged(so_far(name, depth), new, depth)), encoding="utf-8")
    part.replace(path)


def published(name: str) -> None:
    """Forget what was measured since, because it stands in results/."""
    _path(name).unlink(missing_ok=True)


def _path(name: str) -> Path:
    return CACHE / f"{name}.json"
