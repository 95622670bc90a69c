"""This module keeps the tables of a published generation on this machine: what is small, and every query needs."""

from __future__ import annotations

import json
import shutil
import time
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from indexer.cluster.book import Published, table_bytes
from indexer.cluster.engine import Engine
from indexer.errors import IndexWriteError
from indexer.impacts import Counted, idf_of
from indexer.vocabulary import Vocabulary

_LIST = "tables.json"  # which bytes each file of the folder is
_LONG = 86_400.0  # seconds in which whoever fetches tables has ended


class Lexicon(Counted):
    """The terms of a generation; the arrays are memory maps."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        frequencies: npt.NDArray[np.int32],  # [n_terms] how many notes hold each
        dims: npt.NDArray[np.uint32],  # [n_terms] the dimension of each on the shelf
        n_notes: int,
    ) -> None:
        self._vocabulary, self.frequencies, self.dims, self._n_notes = vocabulary, frequencies, dims, n_notes
        self._by_dim = np.argsort(dims, kind="stable")

    @property
    def vocabulary(self) -> Vocabulary:
        """The terms."""
        return self._vocabulary

    @property
    def n_notes(self) -> int:
        """How many notes there are."""
        return self._n_notes

    def frequency(self, number: int) -> int:
        """How many notes hold a term."""
        return int(self.frequencies[number])

    def idf(self, numbers: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """The inverse document frequency of terms: float32, aligned."""
        return idf_of(self.frequencies[numbers], self.n_notes).astype(np.float32)

    def numbers_of(self, dims: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
        """The terms that have these dimensions on the shelf: int32, aligned, -1 for one that no note holds now."""
        if not len(self):
            return np.full(len(dims), -1, dtype=np.int32)
        places = np.minimum(np.searchsorted(self.dims, dims, sorter=self._by_dim), len(self) - 1)
        found = self._by_dim[places]
        return np.where(self.dims[found] == dims, found, -1).astype(np.int32)


def fetched(engine: Engine, published: Published, folder: Path) -> Path:
    """The folder below ``folder`` with the tables of a generation, each compared with its hash when it was fetched.

    Tables that another generation had are taken over from there.  Of older generations the folder of the last stays
    for those who are opening it, and nothing of newer ones is touched.
    Raises ClusterError where the engine does not hold what was published, IndexWriteError where the disk refuses.
    """
    wanted = {name: table.sha256 for name, table in published.tables.items()}
    own = folder / f"{published.generation}-{published.number}"
    try:
        if _listed(own) == wanted:
            return own
        known = {digest: other / name for other in _others(folder) for name, digest in _listed(other).items()}
        part = folder / f".{own.name}.{uuid4().hex[:8]}"
        spoilt = part.with_name(f"{part.name}.old")
        part.mkdir(parents=True)
        try:
            for name, digest in sorted(wanted.items()):
                path = part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                content = _bytes_of(known.get(digest))
                if sha256(content).hexdigest() != digest:
                    content = table_bytes(engine, engine.address.name, digest)
                path.write_bytes(content)
            (part / _LIST).write_text(json.dumps(wanted), encoding="utf-8")
            if _listed(own) != wanted:  # else another process was quicker
                if own.exists():
                    own.rename(spoilt)
                part.rename(own)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(spoilt, ignore_errors=True)
    except OSError as error:
        if _listed(own) != wanted:
            raise IndexWriteError(folder, error) from error
    _tidy(folder, published.number)
    return own


def _tidy(folder: Path, number: int) -> None:
    """Remove the tables of all generations before ``number`` but the last; and what lies there for long that cannot be
    anybody's: what a process left that was killed, and numbers of an index that was removed since."""
    older = sorted((_number(path), path) for path in _others(folder) if _number(path) < number)
    for _, path in older[:-1]:
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.iterdir():
        try:
            is_old = time.time() - path.stat().st_mtime > _LONG
        except OSError:  # another process removed it
            continue
        if is_old and (path.name.startswith(".") or _number(path) > number):
            shutil.rmtree(path, ignore_errors=True)


def _number(folder: Path) -> int:
    """The number of the generation whose tables lie in a folder; 0 for any other folder."""
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _bytes_of(path: Path | None) -> bytes:
    """What is in a file; nothing where it is not there, or not any more."""
    try:
        return path.read_bytes() if path is not None else b""
    except OSError:
        return b""


def load_lexicon(folder: Path, n_notes: int) -> Lexicon:
    """The lexicon in a folder of tables.  Raises ValueError where its arrays do not fit each other."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    vocabulary = Vocabulary(plain["terms"], plain["term_starts"])
    lexicon = Lexicon(vocabulary, plain["frequency"], plain["dims"], n_notes)
    if not len(lexicon.vocabulary) == len(lexicon.frequencies) == len(lexicon.dims):
        raise ValueError("the arrays of the lexicon do not fit each other")
    return lexicon


_ARRAYS = ("terms", "term_starts", "frequency", "dims")


def _others(folder: Path) -> list[Path]:
    """The folders of tables that are there, sorted."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _listed(folder: Path) -> dict[str, str]:
    """Which bytes each file of a folder of tables is; {} where it is none, or lacks one."""
    try:
        found = json.loads((folder / _LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and all((folder / name).is_file() for name in found)
    return {str(name): str(digest) for name, digest in found.items()} if whole else {}
