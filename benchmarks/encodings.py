"""This module keeps what an encoder said of a text, so that a second run of a benchmark encodes nothing.

Answers are kept by content, in one SQLite file: under the SHA-256 of the encoder's fingerprint, of whether the text
was a document or a query, and of the text.  They come back bit for bit.
"""

from __future__ import annotations

import hashlib
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from indexer import EncoderInfo, TokenEncoder, Vectors
from indexer.protocols import TextStates

Progress = Callable[[int], None]
Side = Literal["document", "query"]

# Large pages: the token vectors of a text take about 300 KB, which small ones would chain by the hundred.
# Write-ahead logging: every text is kept at once, and two runs may use the file at the same time.
_SCHEMA = """
PRAGMA page_size = 65536;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS encodings (key BLOB PRIMARY KEY, vector BLOB NOT NULL, tokens BLOB, pieces BLOB);
"""
_TOGETHER = 64  # texts; all their token vectors are held at once
_PATIENCE = 120  # seconds to wait for another run that writes


class CachedEncoder:
    """A ``TokenEncoder`` that remembers, in the file ``path``.

    An index built through it holds the same bytes as one built by ``encoder`` itself.  Raises TypeError when the
    indexer would take ``encoder`` for a token encoder and this for none, which would change what is built.
    """

    def __init__(self, encoder: TokenEncoder, path: Path) -> None:
        self._encoder = encoder
        self._dim = encoder.info.dim
        path.parent.mkdir(parents=True, exist_ok=True)
        self._store = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        weakref.finalize(self, self._store.close)
        self._store.executescript(_SCHEMA)
        if not isinstance(self, TokenEncoder):
            raise TypeError("CachedEncoder lacks a method of TokenEncoder: add it to benchmarks/encodings.py")

    @property
    def info(self) -> EncoderInfo:
        """That of the encoder behind."""
        return self._encoder.info

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """See ``Encoder``."""
        rows = np.empty((len(texts), self._dim), dtype=np.float32)
        for position, text in enumerate(texts):
            rows[position] = self._vector("document", text)
            if progress:
                progress(1)
        return rows

    def encode_document_tokens(self, texts: Sequence[str], progress: Progress | None = None) -> Iterator[TextStates]:
        """See ``TokenEncoder``.  What is missing is encoded some texts at a time, so that every core has its own."""
        for begin in range(0, len(texts), _TOGETHER):
            chunk = texts[begin : begin + _TOGETHER]
            missing = [text for text in dict.fromkeys(chunk) if self._kept(self._key("document", text)) is None]
            if missing:
                for text, states in zip(missing, self._encoder.encode_document_tokens(missing), strict=True):
                    self._keep_states(self._key("document", text), states)
            for text in chunk:
                yield self._states("document", text)
                if progress:
                    progress(1)

    def encode_query(self, text: str) -> Vectors:
        """See ``Encoder``."""
        return self._vector("query", text)

    def encode_query_tokens(self, text: str) -> TextStates:
        """See ``TokenEncoder``."""
        return self._states("query", text)

    def words(self) -> list[str]:
        """See ``TokenEncoder``."""
        return self._encoder.words()

    def spell(self, pieces: npt.NDArray[np.int32]) -> list[str]:
        """See ``TokenEncoder``."""
        return self._encoder.spell(pieces)

    def _vector(self, side: Side, text: str) -> Vectors:
        key = self._key(side, text)
        found = self._store.execute("SELECT vector FROM encodings WHERE key = ?", (key,)).fetchone()
        if found is not None:
            return np.frombuffer(found[0], dtype=np.float32)
        vector = self._encoder.encode_query(text) if side == "query" else self._encoder.encode_documents([text])[0]
        self._keep(key, np.ascontiguousarray(vector).tobytes(), None, None)
        return vector

    def _states(self, side: Side, text: str) -> TextStates:
        key = self._key(side, text)
        found = self._kept(key)
        if found is not None:
            return found
        states = (
            self._encoder.encode_query_tokens(text)
            if side == "query"
            else next(iter(self._encoder.encode_document_tokens([text])))
        )
        self._keep_states(key, states)
        return states

    def _kept(self, key: bytes) -> TextStates | None:
        found = self._store.execute("SELECT vector, tokens, pieces FROM encodings WHERE key = ?", (key,)).fetchone()
        if found is None or found[1] is None:
            return None
        tokens = np.frombuffer(found[1], dtype=np.float32).reshape(-1, self._dim)
        return TextStates(np.frombuffer(found[0], dtype=np.float32), tokens, np.frombuffer(found[2], np.int32))

    def _keep_states(self, key: bytes, states: TextStates) -> None:
        self._keep(key, *(np.ascontiguousarray(part).tobytes() for part in states))

    def _key(self, side: Side, text: str) -> bytes:
        content = "\0".join((self.info.fingerprint, side, text))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()

    def _keep(self, key: bytes, vector: bytes, tokens: bytes | None, pieces: bytes | None) -> None:
        self._store.execute("INSERT OR REPLACE INTO encodings VALUES (?, ?, ?, ?)", (key, vector, tokens, pieces))

    def close(self) -> None:
        """Close the file; nothing can be asked afterwards."""
        self._store.close()
