"""This module keeps on disk what a build encoded, so that a build that was stopped goes on where it was.

The file holds a line that names the encoder, and then a record a text: its key, its number of tokens, a checksum over
all of it, the vector, and the token vectors where they are wanted.  Records are only ever added at the end, and
whatever comes from the first one on that is cut off or damaged does not count.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from indexer.bert import Vectors
from indexer.late import TokenStates

JOURNAL = "encoded.part"
# Fewer texts are encoded again sooner than anyone misses them.
WORTH_KEEPING = 200

_HEAD = struct.Struct("<32sI32s")  # key, number of tokens, checksum


class Journal:
    """What was encoded for the index in ``folder``; to be used as a context, by the build that holds the index's lock.

    ``found`` maps the keys of texts to what an earlier build kept of them.  A file of another encoder, or of one that
    was asked for token vectors where this one is not or the other way round, counts as none.
    """

    def __init__(self, folder: Path, fingerprint: str, dim: int, tokens: bool) -> None:
        self._path = folder / JOURNAL
        self._title = f"kindred encoded 1 {fingerprint} {dim} {'tokens' if tokens else 'vectors'}\n".encode()
        self._dim, self._tokens = dim, tokens
        self._file: IO[bytes] | None = None
        self.found: dict[bytes, tuple[Vectors, TokenStates | None]] = {}
        self._sound = 0  # bytes that may be trusted
        if self._path.is_file():
            with self._path.open("rb") as file:
                if file.read(len(self._title)) == self._title:
                    self._sound = len(self._title)
                    for key, vector, states, size in self._records(file):
                        self.found[key] = vector, states
                        self._sound += size

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    @staticmethod
    def key(text: str) -> bytes:
        """What stands for a text: its SHA-256."""
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

    def keep(self, text: str, vector: Vectors, states: TokenStates | None) -> None:
        """Add a text; on disk as far as the system has it, so that the end of this process loses nothing."""
        if self._file is None:
            self._file = self._path.open("r+b" if self._sound else "wb")
            self._file.truncate(self._sound)
            self._file.seek(self._sound)
            if not self._sound:
                self._file.write(self._title)
        parts = [vector.astype("<f4").tobytes()]
        if states is not None:
            parts += [states.codes.tobytes(), states.scales.astype("<f4").tobytes()]
            parts += [states.pieces.astype("<i4").tobytes()]
        content, key, n_tokens = b"".join(parts), self.key(text), 0 if states is None else len(states.scales)
        self._file.write(_HEAD.pack(key, n_tokens, _checksum(key, n_tokens, content)) + content)
        self._file.flush()

    def _records(self, file: IO[bytes]) -> Iterator[tuple[bytes, Vectors, TokenStates | None, int]]:
        """Every record up to the first that is not whole, with its size."""
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            key, n_tokens, checksum = _HEAD.unpack(head)
            n_vector = 4 * self._dim
            size = n_vector + n_tokens * (self._dim + 8)
            if size > _MOST:
                return
            content = file.read(size)
            if len(content) != size or _checksum(key, n_tokens, content) != checksum:
                return
            vector = np.frombuffer(content, "<f4", self._dim)
            yield key, vector, self._states(content[n_vector:], n_tokens), len(head) + size

    def _states(self, content: bytes, n_tokens: int) -> TokenStates | None:
        if not self._tokens:
            return None
        n_codes = n_tokens * self._dim
        return TokenStates(
            np.frombuffer(content, np.int8, n_codes).reshape(n_tokens, self._dim),
            np.frombuffer(content, "<f4", n_tokens, n_codes),
            np.frombuffer(content, "<i4", n_tokens, n_codes + 4 * n_tokens),
        )


_MOST = 1 << 26  # bytes of a record: far more than any encoder's tokens take; a damaged size asks for no memory


def forget(folder: Path) -> None:
    """Remove what was kept: the index holds it now, or does without."""
    (folder / JOURNAL).unlink(missing_ok=True)


def taken_over(texts: Sequence[str], journal: Journal) -> Iterator[tuple[str, Vectors, TokenStates | None]]:
    """Those of ``texts`` that an earlier build kept, in their order."""
    for text in texts:
        found = journal.found.get(journal.key(text))
        if found is not None:
            yield text, *found


def _checksum(key: bytes, n_tokens: int, content: bytes) -> bytes:
    return hashlib.sha256(key + n_tokens.to_bytes(4, "little") + content).digest()
