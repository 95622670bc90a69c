"""This module is an encoder for building with vectors that are there already, and that knows how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.encodings import CachedEncoder
from benchmarks.peers.task import Task
from indexer import EncoderInfo, TokenEncoder, Vectors, load_encoder
from indexer.protocols import Progress, TextStates

ENCODINGS = "encodings.sqlite"  # beside the tasks: what was encoded for any of them


class GivenEncoder:
    """The default encoder, which finds the vectors of ``task``'s notes in their file and clocks itself.

    Titles, descriptions and token vectors, which nobody but Kindred needs, are encoded as ever, and kept in the file
    ``cache``, so that a build that was stopped goes on where it was.
    """

    def __init__(self, task: Task, cache: Path) -> None:
        self.seconds = 0.0  # spent in here
        begun = time.perf_counter()
        loaded = load_encoder()
        if not isinstance(loaded, TokenEncoder):
            raise TypeError("the default encoder gives no token vectors")
        self._encoder = CachedEncoder(loaded, cache)
        if not isinstance(self, TokenEncoder):
            raise TypeError("GivenEncoder lacks a method of TokenEncoder: add it to benchmarks/peers/given.py")
        keys = np.fromiter((_key(note.encoded) for note in task.notes()), dtype=np.uint64)
        self._rows = np.argsort(keys, kind="stable")
        self._keys = keys[self._rows]
        self._vectors: Vectors = task.vectors()
        self.seconds += time.perf_counter() - begun

    @property
    def info(self) -> EncoderInfo:
        """That of the default encoder."""
        return self._encoder.info

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """See ``Encoder``."""
        begun = time.perf_counter()
        wanted: npt.NDArray[np.uint64] = np.fromiter(map(_key, texts), dtype=np.uint64, count=len(texts))
        places = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        known = self._keys[places] == wanted
        found: Vectors = np.empty((len(texts), self._vectors.shape[1]), dtype=np.float32)
        found[known] = self._vectors[self._rows[places[known]]]
        missing = np.flatnonzero(~known)
        if len(missing):
            found[missing] = self._encoder.encode_documents([texts[place] for place in missing.tolist()])
        if progress:
            progress(len(texts))
        self.seconds += time.perf_counter() - begun
        return found

    def encode_document_tokens(self, texts: Sequence[str], progress: Progress | None = None) -> Iterator[TextStates]:
        """See ``TokenEncoder``."""
        states = iter(self._encoder.encode_document_tokens(texts, progress))
        while True:
            begun = time.perf_counter()
            found = next(states, None)
            self.seconds += time.perf_counter() - begun
            if found is None:
                return
            yield found

    def encode_query(self, text: str) -> Vectors:
        """See ``Encoder``."""
        return self._encoder.encode_query(text)

    def encode_query_tokens(self, text: str) -> TextStates:
        """See ``TokenEncoder``."""
        return self._encoder.encode_query_tokens(text)

    def words(self) -> list[str]:
        """See ``TokenEncoder``."""
        return self._encoder.words()

    def spell(self, pieces: npt.NDArray[np.int32]) -> list[str]:
        """See ``TokenEncoder``."""
        return self._encoder.spell(pieces)


def _key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
