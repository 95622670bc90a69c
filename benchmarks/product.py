"""This module builds the product's own index of a judged collection, and lets it answer."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import indexer
from indexer import TokenEncoder, build_index
from search.searcher import Searcher


def can_tune() -> bool:
    """Whether this version of the indexer can tune its encoder to the notes."""
    return "tune" in inspect.signature(build_index).parameters


def open_product(notes: Path, folder: Path, encoder: TokenEncoder) -> Searcher:
    """A searcher over the index of ``notes`` in ``folder``, built again wherever notes or indexer changed."""
    _build(notes, folder, encoder=encoder)
    return Searcher.open(folder, encoder)


def open_tuned(notes: Path, folder: Path) -> Searcher:
    """The same with the encoder tuned to the notes.  Needs ``can_tune``."""
    _build(notes, folder, tune=True)
    return Searcher.open(folder)


def _build(notes: Path, folder: Path, **settings: Any) -> None:
    # An index knows what notes it was built from, but not by which code.
    code, stamp = code_hash(indexer), folder.with_name(f"{folder.name}.code")
    known = stamp.read_text(encoding="utf-8") if stamp.is_file() else ""
    build_index([notes], folder, rebuild=known != code, **settings)
    stamp.write_text(code, encoding="utf-8")


def code_hash(*packages: ModuleType) -> str:
    """A hash of the packages' source."""
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
